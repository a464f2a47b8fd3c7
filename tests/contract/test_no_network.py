import os
import socket
import subprocess
import sys

import pytest


def test_a_connection_to_another_machine_is_refused_by_name(take_refused_sockets):
    with socket.socket() as client:
        with pytest.raises(RuntimeError, match=r"socket\.connect to \('192\.0\.2\.1', 80\)"):
            client.connect(("192.0.2.1", 80))
        with pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
            client.connect_ex(("192.0.2.1", 80))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        pytest.raises(RuntimeError, match=r"socket\.sendto"),
    ):
        client.sendto(b"x", ("192.0.2.1", 53))
    assert len(take_refused_sockets()) == 3


def test_a_name_is_not_even_looked_up(take_refused_sockets):
    with pytest.raises(RuntimeError, match=r"example\.invalid"):
        socket.create_connection(("example.invalid", 443))
    assert take_refused_sockets() == ["socket.getaddrinfo 'example.invalid'"]


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port), timeout=5).close()


def test_a_process_that_a_test_starts_is_bound_too(take_refused_sockets):
    program = (
        "import socket\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80))\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "NetworkRefusedError"
    assert len(take_refused_sockets()) == 1, (
        "a refusal that the process swallows is seen all the same"
    )


def test_libraries_are_told_to_stay_offline():
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["DO_NOT_TRACK"] == "true"
