#!/usr/bin/env python3
"""Opens a Holdfast backup without Holdfast: for the day on which there is no Holdfast.

    pip install --require-hashes -r requirements.txt
    python3 open_backup.py --directory /path/of/store --system shop --source documents \\
        --key-file system.key --public-key signing.pub --out opened

Writes each collection's documents to <out>/<database>/<collection>.bson (one after another, as mongorestore and bsondump
read them), its options and indexes to <collection>.detail.json beside it, and the log behind the backup to
<out>/log.bson. A PostgreSQL's tables come out as <out>/<schema.table>.copy (read back by COPY … FROM, its columns beside it), its
definitions as definitions.dump, for pg_restore. What a program dumped (the engine "tool") comes out as it was, in <out>/<source>.stream; a PostgreSQL
server as files as <out>/<source>.tar of its data directory, its log as the segments of <out>/wal. Every byte is
authenticated and each collection's proof is computed again; whatever does not agree ends it with exit code 1 and the
object's name. What is written is not encrypted: the directory is made for its owner only.

docs/format.md says what is read here and why. From S3: --bucket NAME [--endpoint URL], with AWS's usual variables for
the credentials. The system's key is 64 hex digits, in a file or in HOLDFAST_KEY. Where another recipient's key is at hand
instead, a program that opens what is wrapped for it does: --unwrap-with "gpg --batch --decrypt" for the kind gpg,
--unwrap-with "age --decrypt -i recovery.key" for the kind age; --kms-region for the kind kms.
"""
import argparse
import base64
import hashlib
import json
import logging
import os
import pathlib
import re
import shlex
import subprocess
import sys
import urllib.parse

import aws_encryption_sdk
import zstandard
from aws_encryption_sdk.identifiers import CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from bson.raw_bson import RawBSONDocument
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


class Refused(Exception):
    """What is wrong, with the object that it was found in."""


class Directory:
    """A local store: the key a/b is the directory a/b@, each version of it a file."""

    def __init__(self, path, prefix):
        self.root = pathlib.Path(path, *(self.encode(part) for part in prefix.split("/")))

    @staticmethod
    def encode(segment):
        return urllib.parse.quote(segment, safe="").replace("~", "%7E")

    def get(self, key, version):
        *folders, name = (self.encode(part) for part in key.split("/"))
        return self.root.joinpath(*folders, name + "@", version).read_bytes()

    def versions(self, prefix):
        folder = self.root.joinpath(*(self.encode(part) for part in prefix.split("/") if part))
        found = [(path, path.name) for path in folder.glob("**/*@/*") if path.suffix != ".lock"]
        keys = [(urllib.parse.unquote(path.parent.relative_to(self.root).as_posix()[:-1]), version) for path, version in found]
        return sorted(keys)


class Bucket:
    """S3. Lists versions, not keys: a lock protects versions, and a newer one may be anybody's."""

    def __init__(self, bucket, endpoint, prefix):
        import boto3

        self.s3 = boto3.client("s3", endpoint_url=endpoint)
        self.bucket, self.prefix = bucket, prefix + "/"

    def get(self, key, version):
        answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key, VersionId=version)
        return answer["Body"].read()

    def versions(self, prefix):
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        # A key's versions come newest first.
        by_key = {}
        for entry in (entry for page in pages for entry in page.get("Versions", [])):
            by_key.setdefault(entry["Key"][len(self.prefix):], []).insert(0, entry["VersionId"])
        return [(key, version) for key in sorted(by_key) for version in by_key[key]]


class RawKey(RawMasterKeyProvider):
    """One AES-256 key under the name that messages call it by."""

    provider_id = "holdfast"

    def __new__(cls, name, key):
        provider = super().__new__(cls)
        provider.key = key
        provider.add_master_key(name)
        return provider

    def __init__(self, name, key):
        super().__init__()

    def _get_raw_key(self, key_id):
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=self.key,
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


# It logs what it refuses with a traceback; here a refusal is one line that names the object.
logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL)
client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, max_encrypted_data_keys=1
)


def unseal(message, name, key, context, where):
    """The plaintext of a message under `key`; `context` holds the words that it must have been sealed under, exactly."""
    try:
        plain, header = client.decrypt(source=message, key_provider=RawKey(name, key))
    except Exception as error:  # the SDK has no common class for what it refuses
        raise Refused(f"{where}: does not open under key {name}: {error or type(error).__name__}") from error
    found = dict(header.encryption_context)
    wanted = {word: found.get(word) if value is None else value for word, value in context.items()}
    if found != wanted:
        raise Refused(f"{where}: was sealed as {found}, not as {wanted}")
    return plain


def unzip(data, where):
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise Refused(f"{where}: authentic, but not zstd: {error}") from error


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def documents_of(data, where):
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if size < 5 or at + size > len(data):
            raise Refused(f"{where}: not a row of BSON documents at byte {at}")
        yield data[at : at + size]
        at += size


class Recipient:
    """Opens key objects with what whoever runs this has: the system's key, a program, or the right to ask KMS."""

    def __init__(self, system_key, command, kms_region, kms_endpoint):
        self.system_key, self.command, self.kms = system_key, command, None
        if kms_region:
            import boto3

            self.kms = boto3.client("kms", region_name=kms_region, endpoint_url=kms_endpoint)

    def open(self, wrapped, context, where):
        recipient, cipher = wrapped["recipient"], base64.b64decode(wrapped["wrapped"])
        kind = recipient["kind"]
        if kind == "aes256" and self.system_key:
            return unseal(cipher, recipient["id"], self.system_key, context, where)
        if kind in ("gpg", "age") and self.command:
            ended = subprocess.run(shlex.split(self.command), input=cipher, capture_output=True, check=False)
            if ended.returncode != 0:
                raise Refused(f"{where}: {self.command.split()[0]} does not open it: {ended.stderr.decode(errors='replace').strip()[-300:]}")
            try:
                envelope = json.loads(ended.stdout)
                found, key = envelope["context"], base64.b64decode(envelope["key"], validate=True)
            except (ValueError, KeyError, TypeError) as error:
                raise Refused(f"{where}: opens to something that is no key") from error
            if found != context:
                raise Refused(f"{where}: was wrapped for something else: {found}")
            return key
        if kind == "kms" and self.kms:
            if any(wrapped["context"].get(word) != value for word, value in context.items()):
                raise Refused(f"{where}: was wrapped for something else: {wrapped['context']}")
            try:
                return self.kms.decrypt(CiphertextBlob=cipher, EncryptionContext=wrapped["context"])["Plaintext"]
            except Exception as error:  # boto makes the classes of its errors as it runs
                raise Refused(f"{where}: KMS does not open it: {error}") from error
        raise Refused(f"{where}: wrapped for {kind} {recipient['id']}, whose key was not given")


class Opener:
    def __init__(self, store, system, source, recipient, public_keys):
        self.store, self.system, self.source, self.recipient = store, system, source, recipient
        self.public_keys = {
            sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))[:16]: key for key in public_keys
        }

    def signed(self, key, version):
        """The body of a signed object. Without public keys nothing vouches for it, and the reader is told."""
        value = json.loads(self.store.get(key, version))
        body, signature = value["body"], value["signature"]
        if body["format"] > 1:
            raise Refused(f"{key}: format {body['format']}; this program reads format 1")
        self.vouch(body, signature, key)
        return body

    def vouch(self, body, signature, key):
        if not self.public_keys:
            return
        public = self.public_keys.get(signature["keyId"])
        if public is None:
            raise Refused(f"{key}: signed by key {signature['keyId']}, which was not given")
        # RFC 8785; all numbers in what we sign are whole, so this is its canonical form.
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            public.verify(base64.b64decode(signature["value"]), canonical)
        except InvalidSignature as error:
            raise Refused(f"{key}: its signature does not fit its content") from error

    def manifests(self):
        """The oldest believable version of each manifest, oldest backup first."""
        found = {}
        for key, version in self.store.versions(f"{self.system}/{self.source}/"):
            place = re.fullmatch(r"[^/]+/[^/]+/(t\d+)/backups/([^/]+)/manifest\.json", key)
            if place is None or key in found:
                continue
            try:
                body = self.signed(key, version)
            except Refused as refusal:
                print(f"left out: {refusal}", file=sys.stderr)
                continue
            if (body["kind"], body["system"], body["source"], body["timeline"], body["backup"]) == ("base", self.system, self.source, *place.groups()):
                found[key] = body
        return sorted(found.values(), key=lambda body: (body["timeline"], body["end"]))

    def pinned(self, ref):
        data = self.store.get(ref["key"], ref["versionId"])
        if len(data) != ref["bytes"] or sha256(data) != ref["sha256"]:
            raise Refused(f"{ref['key']}: not the bytes that were written")
        return data

    def data_key(self, prefix, name, context):
        """By the first of its key objects that opens. Its name is a hash of it, so that no other can be taken for it."""
        why = []
        for where, version in self.store.versions(prefix):
            if not where.startswith(f"{prefix}{name}."):
                continue
            try:
                wrapped = json.loads(self.store.get(where, version))
                signature = wrapped.pop("signature", None)
                # What is wrapped for a public key anybody may have wrapped.
                if wrapped["recipient"]["kind"] in ("gpg", "age"):
                    if signature is None:
                        raise Refused(f"{where}: is not signed")
                    self.vouch(wrapped, signature, where)
                key = self.recipient.open(wrapped, context, where)
            except Refused as refusal:
                why.append(str(refusal))
                continue
            if "k" + sha256(b"holdfast data key" + key)[:24] == name:
                return key
            why.append(f"{where}: holds another key")
        raise Refused("; ".join(why) or f"{prefix}{name}.*: there is no object of this key")

    def parts(self, manifest):
        """Every part that the manifest's indexes name, authenticated and opened, group by group in their order."""
        scope = {word: manifest[word] for word in ("system", "source", "timeline", "backup")}
        prefix = f"{manifest['system']}/{manifest['source']}/{manifest['timeline']}/backups/{manifest['backup']}/keys/"
        key = self.data_key(prefix, manifest["key"]["id"], {"holdfast": "backup-key", **scope})
        for group in manifest["groups"]:
            index = json.loads(self.pinned(group["index"]))
            for part in index["parts"]:
                where = part["object"]["key"]
                context = {"holdfast": "part", **scope, "unit": part["unit"], "range": part["range"], "index": str(part["index"])}
                plain = unzip(unseal(self.pinned(part["object"]), manifest["key"]["id"], key, context, where), where)
                if len(plain) != part["plainBytes"] or sha256(plain) != part["plainSha256"]:
                    raise Refused(f"{where}: opens to other bytes than its index says")
                yield part, plain, where

    def open_stream(self, manifest, out):
        """What a program wrote to its standard output, byte for byte: for the program that reads it back."""
        path, size = out / (urllib.parse.quote(manifest["source"], safe=" ") + ".stream"), 0
        with path.open("wb") as file:
            for _part, plain, _where in self.parts(manifest):
                size += file.write(plain)
        if size != manifest["totals"]["plainBytes"]:
            raise Refused(f"{path.name}: {size} bytes; the manifest says {manifest['totals']['plainBytes']}")
        origin = manifest["origin"]
        print(f"{path.name}  {size} bytes of {origin['program']} ({origin['toolVersion']})  no proof: {origin['proof']['why']}")

    def open_cluster(self, manifest, out):
        """A PostgreSQL server: the tar that pg_basebackup wrote, with the server's own list of files (backup_manifest) in it. Before an incremental one come those that it adds to."""
        parents = [self.signed(ref["manifest"]["key"], ref["manifest"]["versionId"]) for ref in manifest.get("parents", [])]
        for number, one in enumerate([*parents, manifest], 1):
            name = urllib.parse.quote(manifest["source"], safe=" ") + (f".{number}" if parents else "")
            path, size = out / f"{name}.tar", 0
            # A tablespace is a tar of its own, and the list of files lies beside them then.
            names = {"all": path.name, "list": f"{name}.backup_manifest"}
            for part, plain, _where in self.parts(one):
                with (out / names.get(part["range"], f"{name}.{part['range']}.tar")).open("ab") as file:
                    size += file.write(plain)
            if size != one["totals"]["plainBytes"]:
                raise Refused(f"{path.name}: {size} bytes; the manifest says {one['totals']['plainBytes']}")
            detail = one["units"][0]["detail"]
            for space in detail["tablespaces"]:
                print(f"{name}.tablespace-{space['oid']}.tar  tablespace {space['name']}: unpack it, and link pg_tblspc/{space['oid']} and tablespace_map to where it lies")
            print(f"{path.name}  {size} bytes of PostgreSQL {one['versions']['postgresql']}, WAL from {detail['startLsn']} to {detail['endLsn']}; unpack it and run pg_verifybackup")
        if parents:
            print(f"unpack each into a folder of its own, and join them in this order: pg_combinebackup -o data 1 2 … {len(parents) + 1}")

    def open_segments(self, manifest, out):
        """The WAL behind the base, for restore_command: a slice is a whole segment, or a piece behind a head of 32 bytes."""
        detail = manifest["units"][0]["detail"]
        size, timeline, names = detail["segmentBytes"], detail["timeline"], set()
        folder = out / "wal"
        folder.mkdir(mode=0o700)
        at = manifest["logFrom"]
        for at, key, plain in self.slices(manifest, whole=True):
            if plain[:8] == b"HFWALPC1":
                lsn, body = int.from_bytes(plain[8:16], "big"), plain[32:]
            else:
                lsn, body = int.from_bytes(plain[8:16], "little"), plain
            number, offset = divmod(lsn, size)
            if offset + len(body) > size:
                raise Refused(f"{key}: {len(body)} bytes at {offset} of a segment of {size}")
            name = f"{timeline:08X}{(number * size) >> 32:08X}{number % (2**32 // size):08X}"
            path = folder / name
            if name not in names:
                path.write_bytes(b"")
                os.truncate(path, size)
                names.add(name)
            with path.open("r+b") as file:
                file.seek(offset)
                file.write(body)
        print(f"wal  {len(names)} segments  after {manifest['logFrom']} up to {at}")

    def open_base(self, manifest, out):
        units = {unit["id"]: unit for unit in manifest["units"]}
        sums, counts = dict.fromkeys(units, 0), dict.fromkeys(units, 0)
        for unit in units.values():
            path = self.path(out, unit["name"])
            path.with_name(path.name + ".bson").write_bytes(b"")
            path.with_name(path.name + ".detail.json").write_text(unit["detail"] if isinstance(unit["detail"], str) else json.dumps(unit["detail"]))
        begun = {}
        for part, plain, where in self.parts(manifest):
            path = self.path(out, units[part["unit"]]["name"])
            with path.with_name(path.name + ".bson").open("ab") as file:
                file.write(plain)
            # A document larger than a part goes on in the next one.
            plain = begun.pop((part["unit"], part["range"]), b"") + plain
            if part["continues"]:
                begun[part["unit"], part["range"]] = plain
                continue
            for document in documents_of(plain, where):
                counts[part["unit"]] += 1
                sums[part["unit"]] += int.from_bytes(hashlib.sha256(document).digest(), "big")
        for unit in units.values():
            found = f"{sums[unit['id']] % 2**256:064x}"
            if counts[unit["id"]] != unit["documents"] or unit["hashSum"] not in (None, found):
                raise Refused(f"{unit['name']}: {counts[unit['id']]} documents, hash sum {found}; the manifest says {unit['documents']}, {unit['hashSum']}")
            print(f"{unit['name']}  {counts[unit['id']]} documents  {'as proved' if unit['hashSum'] else 'no proof: ' + str(unit['fuzzy'])}")

    def open_database(self, manifest, out):
        """Of a PostgreSQL: a file of rows for each table, as COPY writes and reads them, named as SQL names it; the rest as it was stored."""
        endings = {"definitions": ".dump", "globals": ".jsonl"}
        units = {unit["id"]: unit for unit in manifest["units"]}
        sums, counts = dict.fromkeys(units, 0), dict.fromkeys(units, 0)
        digests = {unit: hashlib.sha256() for unit in units}
        path_of = lambda unit: out / (urllib.parse.quote(unit["name"], safe=" ") + endings.get(unit["kind"], ".copy"))
        for unit in units.values():
            path_of(unit).write_bytes(b"")
            if unit["detail"]:
                (out / (urllib.parse.quote(unit["name"], safe=" ") + ".columns.json")).write_text(json.dumps(unit["detail"]["columns"]))
        begun = {}
        for part, plain, where in self.parts(manifest):
            unit = units[part["unit"]]
            with path_of(unit).open("ab") as file:
                file.write(plain)
            if unit["kind"] in endings:
                digests[unit["id"]].update(plain)
                continue
            # A row larger than a part goes on in the next one. A line is a row: line ends in values are escaped.
            plain = begun.pop((part["unit"], part["range"]), b"") + plain
            if part["continues"]:
                begun[part["unit"], part["range"]] = plain
                continue
            if not plain.endswith(b"\n"):
                raise Refused(f"{where}: ends inside a row")
            for row in plain[:-1].split(b"\n"):
                counts[unit["id"]] += 1
                sums[unit["id"]] += int.from_bytes(hashlib.sha256(row).digest(), "big")
        for unit in units.values():
            found = digests[unit["id"]].hexdigest() if unit["kind"] in endings else f"{sums[unit['id']] % 2**256:064x}"
            if counts[unit["id"]] != unit["documents"] or unit["hashSum"] != found:
                raise Refused(f"{unit['name']}: {counts[unit['id']]} rows, hash sum {found}; the manifest says {unit['documents']}, {unit['hashSum']}")
            print(f"{unit['name']}  {counts[unit['id']]} rows  as proved")

    def slices(self, manifest, whole=False):
        """
        Slices behind `logFrom` as far as they touch; several ways may lead there, and the longest step is taken. `whole`: from the beginning of
        the segment that it lies in, of which there may be pieces before it.
        """
        scope = {word: manifest[word] for word in ("system", "source", "timeline")}
        prefix = f"{self.system}/{self.source}/{manifest['timeline']}/"
        keys, slices = {}, {}
        for key, version in self.store.versions(prefix + "slices/"):
            ends = re.fullmatch(r"(\d{10}-\d{10})_(\d{10}-\d{10})", key.rsplit("/", 1)[1])
            if ends and key not in slices:
                slices[key] = (*ends.groups(), version)
        at = manifest["logFrom"]
        if whole:
            ends = {to: begin for begin, to, _ in slices.values() if begin[11:] == to[11:]}
            at = max((begin for begin, to, _ in slices.values() if begin <= at < to), default=at)
            while at in ends:
                at = ends[at]
        while steps := [(to, begin, key, version) for key, (begin, to, version) in slices.items() if begin <= at < to]:
            to, begin, key, version = max(steps)
            message = self.store.get(key, version)
            context = {"holdfast": "slice", **scope, "from": begin, "to": to, "epoch": None}
            name = self.key_name(message)
            if name not in keys:
                keys[name] = self.data_key(prefix + "keys/", name, {"holdfast": "archive-key", **scope})
            yield to, key, unzip(unseal(message, name, keys[name], context, key), key)
            at = to

    def open_log(self, manifest, out):
        at, entries = manifest["logFrom"], 0
        with (out / "log.bson").open("wb") as file:
            for to, key, plain in self.slices(manifest):
                for entry in documents_of(plain, key):
                    position = self.position(entry)
                    if at < position:
                        file.write(entry)
                        entries, at = entries + 1, position
                at = to
        print(f"log  {entries} entries  after {manifest['logFrom']} up to {at}")

    @staticmethod
    def key_name(message):
        """Of the one key that a version 2 message was sealed under, from its header: the name, then 20 bytes of the SDK's."""
        at = 1 + 2 + 32
        at += 2 + int.from_bytes(message[at : at + 2], "big") + 2
        at += 2 + int.from_bytes(message[at : at + 2], "big")
        size = int.from_bytes(message[at : at + 2], "big")
        return message[at + 2 : at + 2 + size - 20].decode()

    @staticmethod
    def position(entry):
        ts = RawBSONDocument(entry)["ts"]
        return f"{ts.time:010d}-{ts.inc:010d}"

    @staticmethod
    def path(out, namespace):
        database, collection = namespace.split(".", 1)
        folder = out / urllib.parse.quote(database, safe=" ")
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / urllib.parse.quote(collection, safe=" ")


def main():
    parser = argparse.ArgumentParser(description="Opens a Holdfast backup without Holdfast.", epilog="docs/format.md says what is read.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--directory", help="path of a local store")
    place.add_argument("--bucket", help="an S3 bucket")
    parser.add_argument("--endpoint", help="of an S3 server that is not AWS")
    parser.add_argument("--prefix", default="holdfast", help="the store's prefix (default: %(default)s)")
    parser.add_argument("--system", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--backup", help="id of the backup; left out: the newest")
    parser.add_argument("--key-file", type=pathlib.Path, help="the system's key, 64 hex digits; left out: HOLDFAST_KEY")
    parser.add_argument("--unwrap-with", metavar="COMMAND", help="opens what is wrapped for the kinds gpg and age: reads it, and writes what it opens to")
    parser.add_argument("--kms-region", help="open what is wrapped for the kind kms, there")
    parser.add_argument("--kms-endpoint", help="of a KMS that is not AWS")
    parser.add_argument("--public-key", type=pathlib.Path, action="append", default=[], help="Ed25519 public key, PEM; may be repeated")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="directory to write to; must not exist")
    parser.add_argument("--no-log", action="store_true", help="the base only")
    given = parser.parse_args()
    try:
        text = given.key_file.read_text() if given.key_file else os.environ.get("HOLDFAST_KEY", "")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()) and (text or not (given.unwrap_with or given.kms_region)):
            raise Refused("the system's key must be 64 hex digits: --key-file FILE, or HOLDFAST_KEY")
        recipient = Recipient(bytes.fromhex(text.strip()), given.unwrap_with, given.kms_region, given.kms_endpoint)
        store = Directory(given.directory, given.prefix) if given.directory else Bucket(given.bucket, given.endpoint, given.prefix)
        public_keys = [load_pem_public_key(path.read_bytes()) for path in given.public_key]
        if not public_keys:
            print("no --public-key was given: nothing vouches for who wrote the manifest", file=sys.stderr)
        opener = Opener(store, given.system, given.source, recipient, public_keys)
        manifests = [manifest for manifest in opener.manifests() if given.backup in (None, manifest["backup"])]
        if not manifests:
            raise Refused(f"no backup {given.backup or 'of ' + given.system + '/' + given.source} in this store")
        given.out.mkdir(mode=0o700, parents=True)
        manifest = manifests[-1]
        print(f"backup {manifest['backup']} of {given.system}/{given.source}, timeline {manifest['timeline']}, at {manifest['end']}")
        if manifest.get("origin", {}).get("form") == "stream":
            opener.open_stream(manifest, given.out)
            return
        if manifest["engine"] == "postgres":
            opener.open_database(manifest, given.out)
            return
        if manifest["engine"] == "postgres-physical":
            opener.open_cluster(manifest, given.out)
            if not given.no_log:
                opener.open_segments(manifest, given.out)
            return
        opener.open_base(manifest, given.out)
        if not given.no_log:
            opener.open_log(manifest, given.out)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
