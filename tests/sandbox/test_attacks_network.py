"""Attacks: the network in every form, and the sockets of this machine."""

import os
import socket
import threading

import pytest
import seccompy

import sandbox

SENDTO = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
address = ctypes.create_string_buffer(b'\\1\\0' + {path!r} + b'\\0')
libc.sendto({fd}, b'leak', 4, 0, address, len(address))
errno.errorcode[ctypes.get_errno()]
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("socket.socket(socket.AF_INET, socket.SOCK_STREAM)", id="TCP"),
        pytest.param("socket.socket(socket.AF_INET6, socket.SOCK_STREAM)", id="TCP over IPv6"),
        pytest.param("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", id="UDP"),
        pytest.param("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", id="ICMP"),
        pytest.param("socket.socket(socket.AF_UNIX)", id="Unix"),
        pytest.param("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", id="netlink"),
        pytest.param("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", id="packets"),
        pytest.param("socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", id="kernel crypto"),
        pytest.param("socket.socket(socket.AF_VSOCK)", id="vsock to the machine's host"),
        pytest.param("socket.socketpair()", id="pair"),
        pytest.param("socket.create_server(('127.0.0.1', 0))", id="server"),
    ],
)
def test_there_is_no_socket_for(anyone, code):
    assert anyone.run(f"import socket\n{code}").error.kind == "PermissionError"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param("socket.getaddrinfo('localhost.example', 80)", "gaierror", id="a name by DNS"),
        pytest.param(
            "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}')", "URLError", id="urllib"
        ),
        pytest.param("pd.read_csv('http://127.0.0.1:{port}/a.csv')", "URLError", id="pandas"),
        pytest.param("sql(\"from 'http://127.0.0.1:{port}/a.csv'\")", None, id="DuckDB"),
        pytest.param("sql('install httpfs')", None, id="a DuckDB extension"),
        pytest.param(
            "import pyarrow.fs as f; f.S3FileSystem(endpoint_override='127.0.0.1:{port}', region='a',"
            " connect_timeout=1, request_timeout=1).get_file_info('b/c')",
            None,
            id="pyarrow",
        ),
    ],
)
def test_nothing_arrives_from(attacker, code, kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        error = attacker.run("import socket\n" + code.format(port=server.getsockname()[1])).error
        assert error is not None and kind in (None, error.kind)
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_channel_leads_to_the_host_only(attacker, tmp_path):
    """Its descriptor is a socket, the only one; it must not send to another address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as victim:
        victim.bind(str(tmp_path / "s"))
        victim.settimeout(0.2)
        code = SENDTO.format(path=os.fsencode(tmp_path / "s"), fd=63)
        assert attacker.output(code) == "EPERM\n"
        with pytest.raises(TimeoutError):
            victim.recv(10)


@pytest.mark.parametrize("name", ["sendmsg", "sendmmsg", "recvmsg", "shutdown", "setsockopt", "getsockopt"])
def test_no_descriptor_is_passed_over_the_channel_by(attacker, name):
    number = seccompy.syscall_nr(name)
    code = (
        f"import ctypes; ctypes.CDLL(None, use_errno=True).syscall({number}, 63, 0, 0, 0), ctypes.get_errno()"
    )
    assert attacker.output(code) in ("(-1, 1)\n", "(-1, 38)\n")


def test_a_server_of_the_app_is_not_reached(attacker):
    """The app's own page listens on this machine."""
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)

        def accept():
            try:
                server.accept()
                reached.set()
            except TimeoutError:
                pass

        thread = threading.Thread(target=accept)
        thread.start()
        connect = f"HTTPConnection('127.0.0.1', {server.getsockname()[1]}).connect()"
        assert (
            attacker.run(f"from http.client import HTTPConnection\n{connect}").error.kind == "PermissionError"
        )
        thread.join()
    assert not reached.is_set()


def test_a_file_that_is_named_like_an_address_is_a_file(tmp_path, honest):
    """pandas takes a file's name for an address if it looks like one."""
    path = tmp_path / "http:a.csv"
    path.write_text("a\nhttp://127.0.0.1/b.csv\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        assert session.run("pd.read_csv('http_a.csv').a[0]").stdout == "http://127.0.0.1/b.csv\n"
