# l1ad with everything that the main job needs. Build and run:
#
#   docker build -t l1ad .
#   docker run --rm --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD:/data" l1ad run models/dense_vae/config.yaml
#
# Vivado and Vitis are never inside. Where they are installed, mount them and put them on PATH, for 2023.2 for example:
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" -v /tools/Xilinx:/tools/Xilinx:ro \
#     -e HOME=/tmp -e PATH=/opt/l1ad/bin:/usr/local/bin:/usr/bin:/bin:/tools/Xilinx/Vivado/2023.2/bin:/tools/Xilinx/Vitis_HLS/2023.2/bin \
#     -e XILINXD_LICENSE_FILE l1ad synth runs/dense_vae

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never
RUN python -m pip install 'uv>=0.9'
WORKDIR /source
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv export --frozen --no-dev --no-emit-project --extra qkeras --output-file requirements.txt \
    && python -m venv /opt/l1ad \
    && uv pip install --python /opt/l1ad/bin/python --no-cache --require-hashes -r requirements.txt
COPY l1ad l1ad
COPY models models
COPY firmware firmware
COPY vivado_projects vivado_projects
RUN uv build --wheel --out-dir dist \
    && uv pip install --python /opt/l1ad/bin/python --no-cache --no-deps dist/l1ad-*.whl

FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make perl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 l1ad \
    && install --directory --owner l1ad --group l1ad /data
COPY --from=build /opt/l1ad /opt/l1ad
ENV PATH=/opt/l1ad/bin:$PATH
USER l1ad
WORKDIR /data
ENTRYPOINT ["l1ad"]
CMD ["--help"]
