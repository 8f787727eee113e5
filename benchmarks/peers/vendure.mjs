// Vendure 3.7.3: an order of one unit, from an empty cart to its payment, by the services that its Shop API calls.
//
// The page "Stock Control" and `DefaultStockAllocationStrategy`: what is saleable is checked when an item is added and
// when the order arranges its payment, and the payment allocates. Each call is a transaction of its own, as in the
// resolvers (`@Transaction`). A shortage is an answer of theirs (`ErrorResult`), not an exception.
import core from '@vendure/core';
import cli from '@vendure/core/cli/index.js';

const {
  bootstrap, bootstrapWorker, dummyPaymentHandler, CustomerService, DefaultLogger, LanguageCode, LogLevel,
  OrderService, ProductService, ProductVariantService, RequestContextService,
  ShippingMethodService, StockLevelService, TransactionalConnection, isGraphQlErrorResult,
} = core;

class Refused extends Error {}
export const isRefusal = (error) => error instanceof Refused;

let app;
let shipping;
let counted = 0;

function config(settings) {
  const url = new URL(settings.url);
  return {
    apiOptions: { port: 0, adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
    authOptions: { superadminCredentials: { identifier: 'admin', password: settings.process } },
    dbConnectionOptions: {
      type: 'postgres',
      host: url.hostname,
      port: Number(url.port),
      username: url.username,
      password: decodeURIComponent(url.password),
      database: url.pathname.slice(1),
      synchronize: true,
      extra: { max: 20 },
    },
    logger: new DefaultLogger({ level: LogLevel.Error }),
    paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  };
}

export async function prepare(settings) {
  const server = await bootstrap(config(settings));
  await cli.populateInitialData(server, {
    defaultLanguage: LanguageCode.en,
    defaultZone: 'Europe',
    countries: [{ name: 'Germany', code: 'DE', zone: 'Europe' }],
    taxRates: [{ name: 'Standard', percentage: 19 }],
    shippingMethods: [{ name: 'Standard', price: 500 }],
    paymentMethods: [
      {
        name: 'dummy',
        handler: { code: dummyPaymentHandler.code, arguments: [{ name: 'automaticSettle', value: 'true' }] },
      },
    ],
    collections: [],
  });
  await server.close();
}

export async function open(settings) {
  ({ app } = await bootstrapWorker(config(settings)));
  shipping = (await app.get(ShippingMethodService).findAll(await context())).items[0].id;
}

const context = () => app.get(RequestContextService).create({ apiType: 'shop', languageCode: LanguageCode.en });

async function call(service, method, ...given) {
  const ctx = await context();
  const answer = await app.get(TransactionalConnection).withTransaction(ctx, (within) => app.get(service)[method](within, ...given));
  if (answer && isGraphQlErrorResult(answer)) throw new Refused(`${answer.errorCode}: ${answer.transitionError ?? answer.message}`);
  return answer;
}

export async function stock(units) {
  counted += 1;
  const sku = `kettle-${process.pid}-${counted}`;
  const words = { languageCode: LanguageCode.en, name: sku, slug: sku, description: '' };
  const product = await call(ProductService, 'create', { enabled: true, translations: [words] });
  const [variant] = await call(ProductVariantService, 'create', [
    { productId: product.id, sku, price: 100, stockOnHand: units, trackInventory: 'TRUE', translations: [words] },
  ]);
  return variant.id;
}

export async function hold(item) {
  counted += 1;
  const order = await call(OrderService, 'create');
  await call(OrderService, 'addItemToOrder', order.id, item, 1);
  const customer = await call(CustomerService, 'createOrUpdate', {
    emailAddress: `buyer-${process.pid}-${counted}@example.com`, firstName: 'A', lastName: 'Buyer',
  });
  await call(OrderService, 'addCustomerToOrder', order.id, customer);
  await call(OrderService, 'setShippingAddress', order.id, {
    fullName: 'A Buyer', streetLine1: '1 Road', city: 'Hamburg', postalCode: '20095', countryCode: 'DE',
  });
  await call(OrderService, 'setShippingMethod', order.id, [shipping]);
  await call(OrderService, 'transitionToState', order.id, 'ArrangingPayment');
  const paid = await call(OrderService, 'addPaymentToOrder', order.id, { method: 'dummy', metadata: {} });
  if (!['PaymentAuthorized', 'PaymentSettled'].includes(paid.state)) throw new Error(`order is ${paid.state}`);
  return order.id;
}

export async function promised(item) {
  const level = await app.get(StockLevelService).getAvailableStock(await context(), item);
  return level.stockAllocated;
}
