"""`make bench`: every benchmark, one after the other."""

import asyncio

from benchmarks import activity_ways, dev_server, ledger_scale, replenishment_scale, replenishment_simulation

if __name__ == "__main__":
    dev_server.main()
    asyncio.run(activity_ways.run())
    replenishment_simulation.main([])
    replenishment_scale.main([])
    ledger_scale.main([])
