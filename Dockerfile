# The dependencies alone, so that a change of the code does not install them anew.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY migrations ./migrations
COPY plugins ./plugins
COPY routes ./routes
COPY src ./src
# Only an embedded database writes, and only here.
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 3000
# Node itself gets the signals.
CMD ["node", "src/server.ts"]
