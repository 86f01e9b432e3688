# The image of workers, applications and front door in docker-compose.yml: Node, Holdfast, and the programs that
# requirements.txt pins. Built from the checkout as it is; TypeScript runs without a build step.
FROM node:24.9.0-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv libcurl4 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /holdfast
COPY package.json package-lock.json .npmrc requirements.txt ./
COPY scripts/set-up.mjs scripts/set-up.mjs
RUN node scripts/set-up.mjs
COPY . .
RUN mkdir -p /state && chown -R node:node /state
USER node
ENV HOLDFAST_REPORTS=/state/reports
CMD ["node_modules/.bin/node", "workers/main.ts"]
