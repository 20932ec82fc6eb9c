# syntax=docker/dockerfile:1

# Caddy with the gateway, built through xcaddy from this checkout.
#
#   docker build -t wa-gateway .
#   docker build -t wa-gateway --build-arg XCADDY_ARGS="--with github.com/caddy-dns/cloudflare@v0.2.1" .
#
# The build stage runs on the builder's own platform and cross-compiles, and the
# last stage runs nothing, so an image for another platform needs no emulation.

FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine3.23 AS build
WORKDIR /src

# The dependencies first: they change less often than the code.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download

COPY . .
ARG TARGETOS TARGETARCH
# More xcaddy arguments, such as other plugins.
ARG XCADDY_ARGS=""
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH CGO_ENABLED=0 scripts/xcaddy /out/usr/bin/caddy $XCADDY_ARGS

# What is written at run time belongs to the user that Caddy runs as. A new named
# volume takes these folders' owner. The link lets the operator's commands find the
# configuration: docker compose exec gateway caddy wa-gateway doctor
RUN mkdir -p /out/etc/caddy /out/usr/share /own/data /own/config /own/srv/data \
 && ln -s /etc/caddy/Caddyfile /own/srv/Caddyfile \
 && cp Caddyfile /out/etc/caddy/Caddyfile \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/usr/share/zoneinfo.zip


# Alpine for its busybox: the health check needs a client, and people a shell. It
# brings the CA certificates that upstreams and certificate authorities need.
FROM alpine:3.23.4
COPY --from=build /out/ /
COPY --from=build --chown=1000:1000 /own/data /data
COPY --from=build --chown=1000:1000 /own/config /config
COPY --from=build --chown=1000:1000 /own/srv /srv

LABEL org.opencontainers.image.title="WA gateway" \
      org.opencontainers.image.description="Caddy with the WhatsApp gateway" \
      org.opencontainers.image.source="https://github.com/genfity/wa-gateway" \
      org.opencontainers.image.licenses="Apache-2.0"

# Where Caddy keeps certificates and its last configuration, and time zones for TZ.
ENV XDG_DATA_HOME=/data \
    XDG_CONFIG_HOME=/config \
    ZONEINFO=/usr/share/zoneinfo.zip

# Not root, and no capability on the binary either: Docker since 20.10, Podman and
# containerd since 2.0 let every user of a container listen on ports below 1024
# (sysctl net.ipv4.ip_unprivileged_port_start=0, which docker-compose.yml also
# sets). So `cap_drop: ALL` and `no-new-privileges` keep working. With the host's
# network (--network host) the host's own setting counts.
USER 1000:1000

# /data certificates, /config Caddy's last configuration, /srv/data the SQLite
# files where no database is set.
WORKDIR /srv
VOLUME ["/data", "/config", "/srv/data"]

# Public HTTP, HTTPS, HTTP/3, and the plain port for use behind another proxy.
# Caddy's admin endpoint (2019) listens inside the container only.
EXPOSE 80 443 443/udp 8070

# 200 when the gateway and all that it depends on are well, else 503.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD wget -q -O /dev/null "http://127.0.0.1:${PORT:-8070}/api/wa/health" || exit 1

STOPSIGNAL SIGTERM
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
