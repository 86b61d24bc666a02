#!/bin/sh
# The backups in an S3 bucket. Runs in rclone's own image.
#   store.sh put FOLDER NAME            store the files of a folder as the backup NAME of this moment
#   store.sh get NAME FOLDER [MOMENT]   fetch one: of MOMENT, or the latest that is complete
# A backup is NAME/MOMENT/..., and complete when its `sha256` is there, which is stored last.
# Environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BUCKET.
set -eu
umask 077

fail() {
  echo "store: $*" >&2
  exit 1
}

missing=
for name in AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY BUCKET; do
  eval "[ -n \"\${$name-}\" ]" || missing="$missing $name"
done
[ -z "$missing" ] || fail "missing:$missing"

export RCLONE_CONFIG= # no file: everything is said here
export RCLONE_S3_PROVIDER=Other RCLONE_S3_ENV_AUTH=true RCLONE_S3_ENDPOINT="$AWS_ENDPOINT_URL"
export RCLONE_S3_NO_CHECK_BUCKET=true # the key may not make one
# Linode does not know the checksums that newer clients add to a request.
export AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required
bucket=:s3:$BUCKET

case ${1-} in
  put)
    backup=$bucket/$3/$(date -u +%Y%m%dT%H%M%SZ)
    rclone copy --exclude /sha256 "$2" "$backup"
    rclone copyto "$2/sha256" "$backup/sha256"
    echo "$backup is stored"
    ;;
  get)
    moment=${4:-latest}
    if [ "$moment" = latest ]; then
      moment=$(rclone lsf --recursive --files-only --include '/*/sha256' "$bucket/$2" | sort | tail -n 1 | cut -d / -f 1)
    fi
    [ -n "$moment" ] || fail "$2: there is no complete backup in $BUCKET"
    rclone copy "$bucket/$2/$moment" "$3"
    [ -e "$3/sha256" ] || fail "$2/$moment is not complete in $BUCKET"
    echo "$2/$moment is fetched"
    ;;
  *) fail "usage: store.sh put FOLDER NAME | get NAME FOLDER [MOMENT]" ;;
esac
