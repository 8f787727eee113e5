# The worker, and the `stockkeeper` command for setting up and for the console. No database, no Temporal: those are services of their own.
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir -c constraints.txt '.[cli,console,encryption,tracing,worker]' \
    # What a process would otherwise compile at each start: it may not write there.
    && /venv/bin/python -m compileall -q -s /src -p /app workflows activities database devstack

FROM python:3.13-slim
# By number: Kubernetes can't tell that an account with a name isn't root (runAsNonRoot).
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin stockkeeper
COPY --from=build /venv /venv
# The application, beside the library and the command line that the wheel installs.
COPY --from=build /src/worker.py /app/worker.py
COPY --from=build /src/workflows /app/workflows
COPY --from=build /src/activities /app/activities
COPY --from=build /src/database /app/database
COPY --from=build /src/devstack /app/devstack
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001
CMD ["python", "worker.py"]
