# syntax=docker/dockerfile:1

# The toolchain of `rust-version` in Cargo.toml, on the Debian release of the image below.
FROM docker.io/library/rust:1.95.0-slim-bookworm AS build
WORKDIR /src
COPY . .
# The addresses that the loader fills in at the start, as a packed list, which Debian's C library reads since bookworm. The plain list is
# read as a whole, and stays in memory for as long as the program runs. A linker that cannot pack it says so and goes on.
ENV RUSTFLAGS="-C link-arg=-Wl,-z,pack-relative-relocs"
# The caches stay with the builder, so that only what changed is compiled again; the binary leaves them by copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --profile dist --bin tagwright \
    && install -D target/dist/tagwright /out/tagwright

FROM docker.io/library/debian:bookworm-slim
# ca-certificates: registries and forges; git: credential helpers, local remotes; openssh-client: ssh remotes. The time zones
# of schedules and commits (TZ) are in the binary.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 65532 --user-group --create-home --shell /usr/sbin/nologin tagwright \
    && install -d -o tagwright -g tagwright /var/lib/tagwright
COPY --from=build /out/tagwright /usr/local/bin/tagwright
COPY LICENSE NOTICE /usr/share/doc/tagwright/
LABEL org.opencontainers.image.title="tagwright" \
      org.opencontainers.image.description="Polls container registries and commits tag updates to a Git configuration repository" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# A bot keeps its state in /var/lib/tagwright, and the commands that ask it look there: mount a volume, as in
# `docker run --volume tagwright:/var/lib/tagwright`. Not TAGWRIGHT_DATA_DIR, since a single pass, as any user, needs no folder.
ENV XDG_STATE_HOME=/var/lib
# What is large is given back to the system as soon as it is not needed, and threads share what is small: half the memory after
# long lists of tags (`cargo bench --bench hostile`).
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=1048576
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /home/tagwright
ENTRYPOINT ["/usr/local/bin/tagwright"]
CMD ["--help"]
