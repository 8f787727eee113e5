"""`make bench`: every benchmark, one after the other."""

import asyncio

from benchmarks import (
    activity_ways,
    dev_server,
    ledger_scale,
    replenishment_scale,
    replenishment_simulation,
    speed,
    workflow_runners,
)

if __name__ == "__main__":
    dev_server.main()
    asyncio.run(activity_ways.run())
    workflow_runners.main()
    replenishment_simulation.main([])
    replenishment_scale.main([])
    ledger_scale.main([])
    speed.main([])
