// Medusa 2.21.2: promise a unit by its inventory module.
//
// `createReservationItems` is the module's documented way ("Inventory Module Reference"). Its own workflows call it
// within the locking module, with the item's id as the key (`reserveInventoryStep`, `createReservationsStep` of
// core-flows), so it is also tried so: with the provider that is its default, in memory, and with the PostgreSQL
// provider that its documentation offers for several instances ("Locking Module", "PostgreSQL Locking Module
// Provider"). Shipping is what its workflow `createOrderFulfillmentWorkflow` does to stock: `adjustInventory`, then the
// end of the reservation, each within the lock. The workflow's `softDeleteReservationItems` takes longer than
// `deleteReservationItems`, which is called here.
import { MedusaApp, MedusaAppMigrateUp } from '@medusajs/framework/modules-sdk';
import { ContainerRegistrationKeys, Modules } from '@medusajs/framework/utils';

const LOCATION = 'sloc_1';
let inventory;
let locking;
let counted = 0;

function options(settings) {
  const locks = { resolve: '@medusajs/locking', options: {} };
  if (settings.lock === 'postgres') {
    const provider = { resolve: '@medusajs/locking-postgres', id: 'locking-postgres', is_default: true };
    locks.options = { providers: [provider] };
  }
  return {
    modulesConfig: {
      [Modules.INVENTORY]: { resolve: '@medusajs/inventory' },
      ...(settings.lock === 'none' ? {} : { [Modules.LOCKING]: locks }),
    },
    // A whole Medusa has one; the locking module says at its start which provider it took.
    injectedDependencies: { [ContainerRegistrationKeys.LOGGER]: console },
    sharedResourcesConfig: {
      // As many connections as callers, and as many again for locks that take one each.
      database: { clientUrl: settings.url, pool: { min: 2, max: 80 } },
    },
  };
}

export async function prepare(settings) {
  await MedusaAppMigrateUp(options(settings));
}

export async function open(settings) {
  const app = await MedusaApp(options(settings));
  await app.onApplicationStart();
  inventory = app.modules[Modules.INVENTORY];
  locking = app.modules[Modules.LOCKING];
}

export async function stock(units) {
  counted += 1;
  const item = await inventory.createInventoryItems({ sku: `kettle-${process.pid}-${counted}` });
  await inventory.createInventoryLevels([
    { inventory_item_id: item.id, location_id: LOCATION, stocked_quantity: units },
  ]);
  return item.id;
}

const locked = (item, job) => (locking ? locking.execute([item], job) : job());

export async function hold(item) {
  const wanted = { inventory_item_id: item, location_id: LOCATION, quantity: 1 };
  const [made] = await locked(item, () => inventory.createReservationItems([wanted]));
  return made.id;
}

export async function ship(item, held) {
  await locked(item, () =>
    inventory.adjustInventory([{ inventoryItemId: item, locationId: LOCATION, adjustment: -1 }]),
  );
  await locked(item, () => inventory.deleteReservationItems([held]));
}

export async function promised(item) {
  const [level] = await inventory.listInventoryLevels({ inventory_item_id: item });
  return Number(level.reserved_quantity);
}

export const isRefusal = (error) => error.type === 'not_allowed';
