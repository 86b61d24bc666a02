#!/bin/sh
# Encryption for a private key that the cluster does not have. Runs in an image with openssl and GNU's coreutils.
#   seal.sh seal PLAIN SEALED   encrypt the files of one folder into another
#   seal.sh open SEALED PLAIN   and back: all files as they were, or none
# Each file becomes parts of 32 MiB, NAME.0000 and so on, since openssl holds a whole message in memory. A part is a CMS
# message (RFC 5652, RFC 5083: AES-256-GCM) for the holder of BACKUP_CERTIFICATE's key (BACKUP_KEY); both are PEM. A part
# that was changed does not open; `sha256`, the checksums of the plain files, tells when parts were exchanged or lost.
set -eu
umask 077

fail() {
  echo "seal: $*" >&2
  exit 1
}

pem=$(mktemp)
trap 'rm -f "$pem"' EXIT

seal() { # PLAIN SEALED
  [ -n "${BACKUP_CERTIFICATE-}" ] || fail "BACKUP_CERTIFICATE is missing"
  printf '%s\n' "$BACKUP_CERTIFICATE" > "$pem"
  export pem
  mkdir -p "$2"
  for file in "$1"/*; do
    [ -s "$file" ] || fail "$file is empty: not stored"
    split --bytes "${PART_BYTES:-32M}" --numeric-suffixes --suffix-length 4 \
      --filter 'openssl cms -encrypt -binary -aes-256-gcm -outform DER -recip "$pem" > "$FILE"' \
      "$file" "$2/${file##*/}."
  done
  (cd "$1" && sha256sum -- *) > "$2/sha256"
}

open() { # SEALED PLAIN
  [ -n "${BACKUP_KEY-}" ] || fail "BACKUP_KEY is missing"
  printf '%s\n' "$BACKUP_KEY" > "$pem"
  unsure=$2.unsure
  rm -rf "$unsure"
  mkdir -p "$unsure"
  while read -r _ name; do
    for part in "$1/$name".*; do
      openssl cms -decrypt -binary -inform DER -inkey "$pem" < "$part" || fail "${part##*/} is not what was sealed"
    done > "$unsure/$name"
  done < "$1/sha256"
  (cd "$unsure" && sha256sum --check --quiet) < "$1/sha256" || fail "the files are not what was sealed"
  rm -rf "$2"
  mv "$unsure" "$2"
}

case ${1-} in
  seal) seal "$2" "$3" ;;
  open) open "$2" "$3" ;;
  *) fail "usage: seal.sh seal PLAIN SEALED | open SEALED PLAIN" ;;
esac
