# Stage 1 builds the page and the run-time tree; Node and pip stay behind in it.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make stage

# Stage 2 runs: Python and our tree, no Node, no compiler, no root.
FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home liftos \
    && mkdir /data && chown liftos /data
COPY --from=build /src/build/stage /app
WORKDIR /app
ENV PYTHONPATH=/app:/app/lib PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    LIFTOS_HOME=/data LIFTOS_HOST=0.0.0.0 PORT=8000
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-m", "liftos_app.cli", "doctor", "--health"]
ENTRYPOINT ["python", "-m", "liftos_app.cli"]
CMD ["serve"]
