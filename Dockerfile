# syntax=docker/dockerfile:1
# The image holds one static binary, CA certificates and an empty data folder; no shell, no package manager, no root.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags="-s -w" -o /out/gatehouse ./cmd/gatehouse
RUN mkdir -p /out/data /out/tmp && chmod 0700 /out/data && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/tmp /tmp
COPY --from=build /out/gatehouse /gatehouse
COPY LICENSE /LICENSE

# Production refuses what only a developer's machine may do: no https public URL, no master key, no limits.
ENV GATEHOUSE_ENV=production \
	GATEHOUSE_DATA_DIR=/data \
	GATEHOUSE_HTTP_ADDR=0.0.0.0:8080
USER 65532:65532
VOLUME ["/data"]
EXPOSE 8080
# No HEALTHCHECK: the image has nothing to ask with. Orchestrators ask GET /healthz and GET /readyz themselves.
ENTRYPOINT ["/gatehouse"]
CMD ["serve"]
