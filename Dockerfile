# One image for every part: what runs is the command, `python -m functions.server ingest` for one.
# Base: the official image, by digest (docker-library/repo-info, repos/python/remote/3.11-slim-bookworm.md).
FROM python:3.11.16-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b AS base

FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /build
COPY requirements.txt requirements.lock ./
# The section "runtime" of requirements.txt is the one list of what the parts import.
RUN sed '/^# --- local/,$d' requirements.txt > runtime.txt
# uv installs by the hashes of requirements.lock; it stays in this stage, and so does pip, which brings it.
RUN awk '/^[^ ]/ {uv = /^uv==/} uv' requirements.lock > uv.txt
RUN python -m pip install --quiet --require-hashes --only-binary :all: --target uv -r uv.txt
RUN python -m venv --without-pip /opt/sspp/venv
RUN uv/bin/uv pip install --python /opt/sspp/venv/bin/python --only-binary :all: --require-hashes -r runtime.txt -c requirements.lock
# 37 MB of extensions to CEL that no condition can use.
RUN rm -r /opt/sspp/venv/lib/python3*/site-packages/cel_expr_python/ext
COPY events /opt/sspp/app/events
COPY functions /opt/sspp/app/functions
# Compiled for good: nothing can be written at run time, and imports without .pyc cost more than a second. Unchecked:
# the sources cannot change either.
RUN /opt/sspp/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/sspp/venv/lib /opt/sspp/app
# Owned by root, read by everyone, whatever the umask of whoever checked the sources out.
RUN chmod -R u=rwX,go=rX /opt/sspp

FROM base
# The official image comes without compiled files of Python's own library, and with tools nobody needs here.
RUN rm -rf /usr/local/lib/python3.11/site-packages /usr/local/lib/python3.11/ensurepip /usr/local/lib/python3.11/idlelib \
    /usr/local/lib/python3.11/lib2to3 /usr/local/lib/python3.11/tkinter /usr/local/lib/python3.11/turtledemo \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.11
COPY --from=build /opt/sspp /opt/sspp
WORKDIR /opt/sspp/app
# TMPDIR: the root file system is read-only, memory is not.
ENV PATH=/opt/sspp/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/sspp/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/dev/shm \
    HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python", "-m"]
CMD ["functions.server", "ingest"]
