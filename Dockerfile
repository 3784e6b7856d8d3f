# syntax=docker/dockerfile:1
# A picture without an installation: docker build -t nst . && docker run --rm -v "$PWD:/pictures" nst photo.jpg painting.jpg
# With an NVIDIA card and its container toolkit: docker run --rm --gpus all ...
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
# The extras that are wanted: docker build --build-arg EXTRAS=app .
ARG EXTRAS=""
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir "$(echo /wheel/*.whl)${EXTRAS:+[$EXTRAS]}"
# The container's user has no name of its own on the host: run as yourself with --user "$(id -u):$(id -g)".
RUN useradd --create-home painter
USER painter
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /pictures
ENTRYPOINT ["nst"]
CMD ["--help"]
