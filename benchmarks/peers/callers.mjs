// One process of callers for a peer in JavaScript, told what to do by lines of JSON; `callers.py` says what each does.
// It runs in the folder where the peer is installed: node callers.mjs ADAPTER.mjs '{"url": ...}'.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [path, settings] = [process.argv[2], JSON.parse(process.argv[3])];
const adapter = await import(pathToFileURL(path).href);
const pause = (seconds) => new Promise((done) => setTimeout(done, Math.max(0, seconds * 1000)));
const now = () => Date.now() / 1000;
const firstLine = (error) => `${error.name ?? 'Error'}: ${error.message ?? error}`.trim().split('\n')[0].slice(0, 160);

async function sell({ item, callers, at }) {
  await pause(at - now());
  const began = now();
  const outcomes = {};
  const call = async () => {
    try {
      await adapter.hold(item);
      return 'sold';
    } catch (error) {
      return `${adapter.isRefusal(error) ? 'refused' : 'error'}: ${firstLine(error)}`;
    }
  };
  for (const outcome of await Promise.all(Array.from({ length: callers }, call))) {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return { outcomes, seconds: now() - began };
}

async function rate({ item, callers, at, seconds, ship }) {
  await pause(at - now());
  const errors = {};
  let done = 0;
  const call = async () => {
    while (now() < at + seconds) {
      try {
        const held = await adapter.hold(item);
        if (ship) await adapter.ship(item, held);
        done += 1;
      } catch (error) {
        errors[firstLine(error)] = (errors[firstLine(error)] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { done, seconds: now() - at, errors };
}

const does = {
  prepare: () => adapter.prepare(settings),
  open: () => adapter.open(settings),
  stock: ({ units }) => adapter.stock(units),
  sell,
  rate,
  promised: ({ item }) => adapter.promised(item),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = await does[asked.do](asked);
  process.stdout.write(`ANSWER ${JSON.stringify(answer ?? null)}\n`);
}
process.exit(0);
