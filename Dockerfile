# velador as an image of one static binary: no shell, no libraries, not root.
#
#   docker build -t velador .
#   docker run -d --name velador -p 127.0.0.1:3000:3000 -v velador:/data \
#     -e VELADOR_TOKEN="$(openssl rand -hex 24)" velador

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/velador ./cmd/velador \
 && mkdir -p /out/data /out/tmp && chmod 1777 /out/tmp

FROM scratch
# The exchange is spoken to by TLS: these certificates say whom to believe.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/tmp /tmp
COPY --from=build /out/velador /velador
USER 65532:65532
# A server beyond loopback wants VELADOR_TOKEN, and says so when it is missing.
ENV HOST=0.0.0.0 PORT=3000 VELADOR_DATA_DIR=/data
VOLUME /data
EXPOSE 3000
# At SIGTERM collectors bring home what they hold: give them longer than --grace (10 s).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/velador", "health"]
ENTRYPOINT ["/velador"]
CMD ["serve"]
