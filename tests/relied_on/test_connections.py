"""What becomes of a worker whose client is replaced while it works."""

from pathlib import Path

from temporalio.client import Client
from temporalio.service import TLSConfig
from temporalio.worker import Worker

from devstack.stack import StackInfo
from tests.relied_on import probes
from tests.support.shop import new_reference
from tests.support.tls import Authority, Door, server_context


async def test_a_worker_takes_its_tasks_over_the_client_that_it_is_given_while_it_works(
    stack: StackInfo, plain_client: Client, tmp_path: Path
) -> None:
    host, _, port = stack.temporal_address.rpartition(":")
    authority, queue = Authority("servers"), new_reference("queue")
    context = server_context(authority.issue("localhost"), tmp_path)
    with Door((host, int(port)), "temporal", context).opened() as first:
        over_the_first = await Client.connect(
            f"localhost:{first.port}", namespace=stack.namespace, tls=TLSConfig(server_root_ca_cert=authority.pem)
        )
        async with Worker(
            over_the_first, task_queue=queue, workflows=[probes.Waits], workflow_runner=probes.RUNNER
        ) as it:
            run = await plain_client.start_workflow(probes.Waits.run, id=new_reference(), task_queue=queue)
            assert await run.execute_update("count") == run.first_execution_run_id
            with Door((host, int(port)), "temporal", context).opened() as second:
                it.client = await Client.connect(
                    f"localhost:{second.port}",
                    namespace=stack.namespace,
                    tls=TLSConfig(server_root_ca_cert=authority.pem),
                )
                # Nobody gets in by the first one any more.
                first.context = server_context(Authority("strangers").issue("localhost"), tmp_path)
                first.cut()
                assert await run.execute_update("count") == run.first_execution_run_id
                assert second.accepted == 1
                await run.terminate()
