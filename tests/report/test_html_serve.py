"""The live page: for this machine alone, and made anew when files change."""

import http.client
import json
import re
import threading
from http.server import ThreadingHTTPServer

import pytest
from report_folders import begin_run, recipe_of, write_folder

from fbgd.commands.report import make_report_parser
from fbgd.report.html.command import carry_out, make
from fbgd.report.html.serve import LivePage, make_server, version_of


@pytest.fixture
def live(tmp_path):
    """A folder, and a function that asks a server of its live page."""
    folder = write_folder(tmp_path / "mnist1d")
    server = make_server(LivePage([folder], lambda version: make([folder], recipe_of, version)), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(path, host="localhost"):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
        connection.request("GET", path, headers={"Host": f"{host}:{server.server_address[1]}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    yield folder, ask, server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_is_made_anew_when_files_change(live):
    folder, ask, _ = live
    status, page = ask("/")
    version = ask("/version")[1]
    assert (status, f'data-version="{version}"' in page) == (200, True)
    assert ask("/") == (200, page)
    begin_run(folder.parent / "runs", "sgd", 5)
    assert ask("/version")[1] != version
    assert "sgd, seed 5" in ask("/")[1]
    assert "sgd, seed 5" not in page


def test_a_file_that_is_wrong_is_said_on_the_page_until_it_is_right(live):
    folder, ask, _ = live
    content = (folder / "study.json").read_text()
    (folder / "study.json").write_text('{"</script>": 1}')
    page = ask("/")[1]
    assert "&#39;&lt;/script&gt;&#39; is unknown" in page
    assert f'data-version="{ask("/version")[1]}"' in page
    (folder / "study.json").write_text(content)
    assert json.loads(content)["title"] in ask("/")[1]


def test_only_this_machine_is_answered(live):
    _, ask, server = live
    assert server.server_address[0] == "127.0.0.1"
    assert [ask("/", host)[0] for host in ("localhost", "127.0.0.1", "example.org", "")] == [200, 200, 403, 403]
    assert ask("/etc/passwd")[0] == 404


def test_a_port_that_is_taken_is_named(live):
    _, _, server = live
    with pytest.raises(ValueError, match=f"--port {server.server_address[1]} cannot be used"):
        make_server(LivePage([], str), server.server_address[1])
    with pytest.raises(ValueError, match="--port 70000 cannot be used"):
        make_server(LivePage([], str), 70000)


def test_the_command_serves_until_it_is_interrupted(tmp_path, monkeypatch, capsys):
    def interrupted(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    assert carry_out(make_report_parser().parse_args([str(tmp_path), "--watch", "--port", "0"]), recipe_of) == 0
    assert re.match(r"Live at http://127\.0\.0\.1:\d+/ until Ctrl\+C\n", capsys.readouterr().out)
    assert carry_out(make_report_parser().parse_args([str(tmp_path), "--watch", "--port", "70000"]), recipe_of) == 2
    assert "--port 70000" in capsys.readouterr().err


def test_the_version_is_that_of_the_files(tmp_path):
    folder = write_folder(tmp_path / "mnist1d")
    version = version_of([folder])
    assert version_of([folder]) == version
    (folder / "unrelated.txt").write_text("")
    assert version_of([folder]) == version
    (folder / "second.png").write_bytes(b"")
    assert version_of([folder]) != version
    assert version_of([tmp_path / "no" / "where"]) == version_of([])
