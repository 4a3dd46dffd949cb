"""What an offline run of Weights & Biases holds: records of its own protocol in the log format of LevelDB."""

import json
import struct

HEADER, BLOCK = 7, 32768


def records(path):
    """The messages of a ``.wandb`` file, parsed by wandb's own classes."""
    from wandb.proto import wandb_internal_pb2

    content, place, whole = path.read_bytes(), HEADER, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        # A record may be cut into first, middle and last parts.
        if kind in (1, 4):
            message = wandb_internal_pb2.Record()
            message.ParseFromString(whole)
            whole = b""
            yield message


def history(path):
    """The logged rows of a ``.wandb`` file, and the identifier of its run."""
    rows, identifier = [], None
    for record in records(path):
        if record.HasField("run"):
            identifier = record.run.run_id
        if record.HasField("history"):
            items = record.history.item
            rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return identifier, rows
