import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core.adapters.unpack import STEP, Unpacker, UnpackError

TEXT = bytes(range(256)) * 20


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, " GZIP ": gzip.compress}


def unpacked(encoding: str, *pieces: bytes) -> bytes:
    unpacker = Unpacker(encoding)
    return b"".join(found for piece in pieces for found in unpacker.feed(piece))


@pytest.mark.parametrize("encoding", PACKED)
@settings(deadline=None)  # packing half a megabyte takes as long as the machine lets it
@given(
    cuts=st.lists(st.integers(0, 300), max_size=6),
    content=st.sampled_from([b"", b"x", TEXT, b" " * (STEP * 2), b" " * (STEP + 1)]),
)
def test_what_was_packed_comes_out_however_it_is_cut(encoding, cuts, content):
    packed = PACKED[encoding](content)
    places = sorted({0, len(packed), *(c for c in cuts if c < len(packed))})
    assert unpacked(encoding, *(packed[a:b] for a, b in zip(places, places[1:], strict=False))) == content


def test_deflate_without_its_header_is_understood():
    assert unpacked("deflate", raw_deflate(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", ["", "identity", "none"])
def test_what_is_not_packed_goes_through(encoding):
    assert unpacked(encoding, b"as ", b"", b"it is") == b"as it is"


def test_gzip_of_several_members_is_one_body_and_filling_is_none():
    assert unpacked("gzip", gzip.compress(b"a") + gzip.compress(b"b"), gzip.compress(b"c") + b"\0\0", b"\0") == b"abc"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 10_000, "\x00"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding):
    with pytest.raises(UnpackError, match="not asked for") as caught:
        Unpacker(encoding)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("content", [b"<html>not packed at all</html>", b"\x1f\x8b\x08\x00rubbish-rubbish"])
def test_what_is_not_packed_as_it_says_is_refused(encoding, content):
    with pytest.raises(UnpackError, match="cannot be unpacked"):
        unpacked(encoding, content)


def test_a_body_that_breaks_in_its_middle_is_refused():
    packed = bytearray(zlib.compress(bytes(i * i % 251 for i in range(9000)), 9))
    packed[len(packed) // 2] ^= 0xFF
    packed[-1] ^= 0xFF
    with pytest.raises(UnpackError):
        unpacked("deflate", bytes(packed[:50]), bytes(packed[50:]))


def test_a_bomb_is_given_out_a_step_at_a_time():
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    try:
        sizes = [len(found) for found in Unpacker("gzip").feed(bomb)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= STEP
    assert peak < 4 * STEP
