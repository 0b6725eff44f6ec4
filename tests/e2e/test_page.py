"""The page in a real browser on the real sandbox; the model is echo_app's, so that a test knows its moves."""

import asyncio
import base64
import json
import re
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import nbformat
import openpyxl
import psutil
import pytest
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from agent import absence
from page import gallery
from tests.e2e.conftest import answered, ask, connect, given, question_box, served, upload

CITIES = "city,warmth,rain\nOslo,6.5,763\nLima,19.2,\nCairo,22.1,25\n"
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
WARMEST = "print(df.loc[df['warmth'].idxmax(), 'city'])"


@pytest.fixture
def cities(tmp_path):
    path = tmp_path / "cities.csv"
    path.write_text(CITIES)
    return path


def test_a_chosen_file_is_shown_with_its_shape_its_types_and_what_is_missing(visitor, cities):
    page = visitor()
    upload(page, cities)
    assert "3 rows · 3 columns · 1 cell missing" in page.locator(".ds-table").inner_text()
    page.get_by_text("Columns", exact=True).click()
    rain = page.locator(".ds-table tr", has_text="rain").first
    assert "number" in rain.inner_text() and "1 (33%)" in rain.inner_text()
    page.get_by_text("All rows").click()
    assert page.get_by_role("cell", name="Lima").last.is_visible()


def test_a_first_look_shows_how_values_are_spread_and_what_to_beware_of(visitor, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("place,sold\nOslo,1\nLima,2\nCairo,4\nTotal,7\n")
    page = visitor()
    upload(page, path)
    assert "The row “Total” sums up the others" in page.locator(".ds-beware").inner_text()
    page.get_by_text("Columns", exact=True).click()
    assert page.get_by_role("img", name="How often values of sold come").locator("rect").count() == 4


def test_questions_to_begin_with_are_put_into_the_box(visitor, cities):
    page = visitor()
    upload(page, cities)
    chip = page.get_by_role("button", name="Which city has the highest warmth?")
    chip.click()
    page.wait_for_function("document.querySelector('.ds-ask textarea').value.includes('warmth')")
    assert page.locator(".ds-chips button").count() == 4


def test_an_answer_is_taken_home_in_every_form(visitor, cities):
    page = visitor()
    upload(page, cities)
    answered(page, "df.plot.bar(x='city', y='warmth')\nprint(df.nlargest(2, 'warmth'))\nprint(len(df))")
    found = {}
    for name in ("Download notebook", "Python", "Markdown", "Figures", "Table as CSV"):
        with page.expect_download() as download:
            page.get_by_text(name, exact=True).click()
        found[download.value.suggested_filename] = download.value.path()
    assert [*found] == ["datasense.ipynb", "datasense.py", "datasense.md", "figure.png", "table.csv"]
    assert found["table.csv"].read_text("utf-8-sig").splitlines()[1:] == [
        '"Cairo","22.1","25.0"',
        '"Lima","19.2",""',
    ]
    answered(page, WARMEST)
    assert not page.get_by_text("Table as CSV", exact=True).is_visible()
    assert page.get_by_text("Markdown", exact=True).is_visible()


def test_an_address_opens_an_example_or_writes_a_question(visitor):
    example = gallery.examples()[0]
    page = visitor(f"/?example={example.id}")
    page.locator("#result .ds-card").get_by_text("Verified").wait_for()
    page.locator(".ds-table").first.wait_for()
    page = visitor(f"/?example={example.id}&q=How+many+rows%3F")
    page.locator(".ds-table").first.wait_for()
    page.wait_for_function("document.querySelector('.ds-ask textarea').value == 'How many rows?'")
    page = visitor("/?q=%3Cb%3EHow+many%3F")
    page.wait_for_function("document.querySelector('.ds-ask textarea').value == '<b>How many?'")
    page = visitor("/?example=%3Cimg+src%3Dx%3E")
    told = page.get_by_role("alert")
    told.wait_for()
    assert "There is no example '<img src=x>': take one of" in told.inner_text()


def test_several_files_are_several_tables(visitor, cities, tmp_path):
    other = tmp_path / "people.csv"
    other.write_text("name\nAna\nLi\n")
    page = visitor()
    upload(page, cities, other)
    assert page.locator(".ds-table").count() == 2
    assert "2" in answered(page, "print(len(tables['people']))")


def test_an_answer_shows_where_in_the_real_output_it_was_found(visitor, cities):
    page = visitor()
    upload(page, cities)
    card = answered(page, WARMEST)
    assert "Cairo" in card and "Verified: found in step 1’s output" in card
    assert page.locator(".ds-evidence mark").inner_text() == "Cairo"
    assert WARMEST in page.locator("#steps details").inner_text()
    assert page.locator("#steps .ds-output mark").inner_text() == "Cairo"


def test_what_is_not_computed_from_the_data_is_shown_as_unverified(visitor, cities):
    page = visitor()
    upload(page, cities)
    card = answered(page, "print('Atlantis')")
    assert "Unverified" in card and "Verified:" not in card


def test_what_was_looked_for_in_vain_is_said_and_never_called_verified(visitor, cities):
    page = visitor()
    upload(page, cities)
    look = absence.look("regex", [])  # the question is this code, and so has the word
    card = answered(page, look)
    assert absence.NOT_ANSWERABLE in card and "Not verified: looked for in vain" in card
    assert "found no column whose name or cells have “regex”" in card and "Verified:" not in card
    assert look in page.locator("#steps details").inner_text() and page.locator(".ds-sent-back").count() == 0


def test_a_figure_is_drawn_in_its_step(visitor, cities):
    page = visitor()
    upload(page, cities)
    answered(page, "df.plot.bar(x='city', y='warmth')\nprint(len(df))")
    assert page.locator("#steps img").evaluate("image => image.naturalWidth") > 100


def test_stop_kills_an_endless_loop_and_the_page_goes_on(visitor, cities, echo):
    page = visitor()
    upload(page, cities)
    ask(page, "while True: pass")
    page.get_by_text("running the code").wait_for()
    busy = loops(echo)
    assert busy
    clicked = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    psutil.wait_procs(busy, timeout=10)
    assert time.monotonic() - clicked < 2
    page.locator("#result").get_by_text("Stopped.").wait_for()
    page.get_by_placeholder("the conversation is kept").wait_for()
    assert "Cairo" in answered(page, WARMEST)


def loops(server):
    """The processes under the server that are using the processor now."""
    processes = psutil.Process(server.process.pid).children(recursive=True)
    for process in processes:
        process.cpu_percent()
    time.sleep(0.5)
    return [process for process in processes if process.is_running() and process.cpu_percent() > 20]


def test_a_tab_that_is_closed_in_mid_run_leaves_nothing_running(visitor, cities, echo):
    page = visitor()
    upload(page, cities)
    ask(page, "while True: pass")
    page.get_by_text("running the code").wait_for()
    busy = loops(echo)
    page.close()
    gone, _ = psutil.wait_procs(busy, timeout=10)  # the step itself would have 20 s
    assert busy and gone == busy


def test_a_fault_that_nobody_foresaw_is_told_and_the_page_goes_on(visitor, cities):
    page = visitor()
    upload(page, cities)
    ask(page, "break")
    page.get_by_role("alert").get_by_text("Something went wrong inside DataSense (KeyError)").wait_for()
    assert question_box(page).input_value() == "break"
    assert "Cairo" in answered(page, WARMEST)


def test_stop_ends_the_models_writing(visitor, cities):
    page = visitor()
    upload(page, cities)
    ask(page, "write a novel")
    page.locator("#live").get_by_text("word word word").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator("#result").get_by_text("Stopped.").wait_for(timeout=2000)
    assert page.locator("#live").inner_text().strip() == ""


def test_a_follow_up_keeps_variables_and_shows_what_was_asked_before(visitor, cities):
    page = visitor()
    upload(page, cities)
    answered(page, "kept = df['warmth'].max()\nprint(kept)")
    assert "44.2" in answered(page, "print(kept * 2)")
    assert "22.1" in page.locator(".ds-past").inner_text()
    with page.expect_download() as download:
        page.get_by_text("Download notebook").click()
    cells = nbformat.read(download.value.path(), as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    assert [source.splitlines()[-1] for source in sources[1:]] == ["print(kept)", "print(kept * 2)"]


def test_what_was_asked_before_is_not_shown_as_more_than_it_was(visitor, cities):
    page = visitor()
    upload(page, cities)
    answered(page, "print('Atlantis')")
    answered(page, WARMEST)
    assert page.locator(".ds-past summary").first.inner_text().endswith("· unverified")


def test_a_follow_up_goes_on_with_the_conversation(visitor, cities):
    page = visitor()
    upload(page, cities)
    answered(page, WARMEST)
    answered(page, "what did I ask before?")
    assert WARMEST in page.locator("#steps").inner_text()


def test_a_new_file_starts_afresh(visitor, cities, tmp_path):
    page = visitor()
    upload(page, cities)
    answered(page, "kept = len(df)\nprint(kept)")
    other = tmp_path / "people.csv"
    other.write_text("name\nAna\n")
    upload(page, other)
    page.locator("h3", has_text="people.csv").wait_for()
    assert not page.locator("#result .ds-card").is_visible()
    ask(page, "print(kept)")
    page.locator("#steps").get_by_text("NameError").first.wait_for()
    assert page.locator(".ds-past").count() == 0


def test_two_visitors_share_nothing(visitor, cities, tmp_path):
    other = tmp_path / "people.csv"
    other.write_text("name\nAna\n")
    first, second = visitor(), visitor()
    upload(first, cities)
    upload(second, other)
    answered(first, "kept = len(df)\nprint(kept)")
    ask(second, "print(kept)")
    second.locator("#steps").get_by_text("NameError").first.wait_for()
    for text in ("cities.csv", "kept = len(df)"):
        assert text not in second.content()


def test_an_example_is_replayed_at_once_and_marked_as_recorded(visitor):
    page = visitor()
    page.get_by_role("button", name="Which region has the highest total revenue?").click()
    note = page.locator("#result .ds-note")
    note.wait_for()
    assert re.fullmatch(r"Recorded with \S+ on \d+ \w+ 20\d\d", note.inner_text())
    assert "West" in page.locator("#result").inner_text()
    page.locator(".ds-table", has_text="sales.csv").wait_for()
    assert "2007" in answered(page, "print(len(df))")


def test_the_notebook_holds_the_steps_with_their_output(visitor, cities, tmp_path):
    page = visitor()
    upload(page, cities)
    answered(page, WARMEST)
    with page.expect_download() as download:
        page.get_by_text("Download notebook").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    step = next(cell for cell in notebook.cells if cell.source == WARMEST)
    assert step.outputs[0].text == "Cairo\n"


def test_nothing_scrolls_sideways_on_a_phone(visitor, tmp_path):
    wide = tmp_path / f"{'long_name' * 8}.csv"
    wide.write_text(",".join(f"column_{i}" for i in range(30)) + "\n" + ",".join(["x" * 90] * 30) + "\n")
    page = visitor(viewport={"width": 390, "height": 844})
    upload(page, wide)
    page.get_by_text("All rows").click()
    answered(page, "print('y' * 3000); print(df.iloc[0, 0])")
    page.get_by_text("Download notebook").wait_for()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    boxes = page.locator("#result, #steps, .ds-table, button:visible, textarea:visible")
    for box in boxes.all():
        place = box.bounding_box()
        assert place is None or place["x"] + place["width"] <= 390


def test_text_from_a_file_or_a_model_is_never_markup(visitor, tmp_path):
    attack = "<img src=x onerror=window.pwned=1>![](https://example.com/leak.png)${window.pwned=1}{{7*7}}"
    path = tmp_path / "<img src=x onerror=window.pwned=1>.csv"
    path.write_text(f'"{attack}",n\n"{attack}",1\n')
    page = visitor()
    page.locator("input[type=file]").first.set_input_files(str(path))
    page.locator(".ds-table").wait_for()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_text("All rows").click()
    card = answered(page, "print(df.iloc[0, 0])")
    assert attack in card and attack in page.locator("#steps").inner_text()
    assert attack in page.locator(".ds-table").inner_text()
    assert page.evaluate("window.pwned") is None
    assert [url for url in page.requested if "leak" in url or url.endswith("/x")] == []


def test_the_name_of_a_sheet_is_never_markup(visitor, tmp_path):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title in ("<img src=x onerror=pwned=1>", "<b>bold"):
        book.create_sheet(title).append(["a"])
        book[title].append([1])
    path = tmp_path / "book.xlsx"
    book.save(path)
    page = visitor()
    upload(page, path)
    assert "<img src=x onerror=pwned=1>" in page.locator(".ds-table").first.inner_text()
    assert page.evaluate("window.pwned") is None


def test_the_page_asks_no_other_host(visitor, echo):
    page = visitor()
    page.get_by_role("button", name="Which region has the highest total revenue?").click()
    page.locator("#result .ds-note").wait_for()
    assert [url for url in page.requested if not url.startswith((echo.url, "data:", "blob:"))] == []


BAD = {
    "empty.csv": b"",
    "header.csv": b"a,b,c\n",
    "binary.csv": bytes(range(256)) * 40,
    "notes.docx": b"not a table",
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_table_is_refused_in_one_sentence_and_nothing_is_lost(
    visitor, cities, tmp_path, name
):
    bad = tmp_path / name
    bad.write_bytes(BAD[name])
    page = visitor()
    upload(page, cities)
    question_box(page).fill(WARMEST)
    page.locator("input[type=file]").first.set_input_files(str(bad))
    sentence = page.get_by_role("alert")
    sentence.wait_for()
    assert sentence.inner_text().startswith(name) and "\n" not in sentence.inner_text()
    assert question_box(page).input_value() == WARMEST
    assert "Cairo" in answered(page, WARMEST)


def test_a_table_of_a_thousand_columns_can_be_asked(visitor, tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(1000)) + "\n" + ",".join(map(str, range(1000))) + "\n")
    page = visitor()
    upload(page, path)
    assert "1,000 columns" in page.locator(".ds-table").inner_text()
    assert "999" in answered(page, "print(df['c999'].sum())")


def test_a_table_of_300000_rows_can_be_asked(visitor, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("n,name\n" + "".join(f"{i},name {i}\n" for i in range(300_000)))
    page = visitor()
    upload(page, path)
    assert "300,000 rows" in page.locator(".ds-table").inner_text()
    assert page.locator(".ds-table tbody tr").count() < 100
    assert "299999" in answered(page, "print(df['n'].max())")


TOO_LARGE = (
    "sales.csv is too large: 1,024 MiB, at most 512 MiB. Leave out columns or rows that the question does "
    "not need, or save it as parquet, which takes a fraction of it."
)
DROPPED = """([path, size]) => {
    const data = new DataTransfer(), file = new File(["a"], "sales.csv");
    Object.defineProperty(file, "size", {value: size});
    const event = new DragEvent("drop", {bubbles: true, cancelable: true});
    Object.defineProperty(event, "dataTransfer", {value: {files: [file]}});
    return document.querySelector(path).dispatchEvent(event);
}"""


def test_a_file_of_a_gigabyte_is_refused_before_it_is_sent(visitor, echo, cities, tmp_path):
    path = tmp_path / "sales.csv"
    with path.open("wb") as file:
        file.truncate(2**30)
    page = visitor()
    before = psutil.Process(echo.process.pid).memory_info().rss
    started = time.monotonic()
    page.locator("input[type=file]").first.set_input_files(str(path))
    told = page.get_by_role("alert").get_by_text("is too large")
    told.wait_for()
    assert time.monotonic() - started < 5
    assert told.inner_text() == TOO_LARGE
    assert not [url for url in page.requested if "upload" in url]
    assert psutil.Process(echo.process.pid).memory_info().rss - before < 100 * 2**20
    upload(page, cities)
    assert not told.is_visible()
    bad = tmp_path / "bad.xlsx"
    bad.write_bytes(b"PK no")
    page.locator("input[type=file]").first.set_input_files(str(bad))
    earlier = page.get_by_role("alert").get_by_text("bad.xlsx cannot be read")
    earlier.wait_for()
    assert not page.evaluate(DROPPED, [".ds-files", 2**30])  # the browser is not to open it itself
    assert told.inner_text() == TOO_LARGE and not earlier.is_visible()
    assert page.evaluate(DROPPED, [".ds-files", 2**20])
    assert not told.is_visible()


def test_columns_called_df_and_print_are_columns_like_others(visitor, tmp_path):
    path = tmp_path / "print.csv"
    path.write_text("df,print\n3,4\n")
    page = visitor()
    upload(page, path)
    assert "7" in answered(page, "print(df['df'].sum() + df['print'].sum())")


def test_a_question_without_a_file_says_what_to_do(visitor):
    page = visitor()
    ask(page, "print(1)")
    assert "Choose a file first" in page.get_by_role("alert").inner_text()


def test_the_page_is_in_use_while_the_model_downloads(chromium, cities, tmp_path):
    with served("tests.e2e.echo_app", tmp_path / "log.txt", ECHO_DOWNLOADS="1") as server:
        page = chromium.new_page()
        page.goto(server.url)
        page.get_by_text("Downloading echo").wait_for()
        assert "300 of 1,200 MB" in page.locator(".ds-model").inner_text()
        page.get_by_role("button", name="Which region has the highest total revenue?").click()
        page.locator("#result .ds-note").wait_for()
        upload(page, cities)
        ask(page, WARMEST)
        page.get_by_text("Waiting for the model").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.locator("#result").get_by_text("Stopped.").wait_for(timeout=2000)
        page.close()


def test_a_page_that_starts_removes_the_folders_of_one_that_was_killed(chromium, cities, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with served("tests.e2e.echo_app", tmp_path / "dead.txt", TMPDIR=str(temporary)) as server:
        page = chromium.new_page()
        page.goto(server.url)
        upload(page, cities)
        answered(page, WARMEST)
        page.get_by_text("Download notebook").wait_for()
        left = [*temporary.glob("datasense-*")]
        assert sorted(path.name.split("-")[1] for path in left) == ["sandbox", "visits"]
        server.process.kill()
        page.close()
    with served("tests.e2e.echo_app", tmp_path / "living.txt", TMPDIR=str(temporary)) as server:
        assert not [path for path in left if path.name.startswith("datasense-visits-") and path.exists()]
        connect(server).predict([given(cities)], WARMEST, 5, api_name="/ask")  # which starts the sandbox
        assert not [path for path in left if path.exists()]


def test_a_file_chosen_while_an_answer_runs_disturbs_nothing(visitor, cities, tmp_path):
    other = tmp_path / "people.csv"
    other.write_text("name\nAna\n")
    page = visitor()
    upload(page, cities)
    ask(page, "write a novel")
    page.locator("#live").get_by_text("word").wait_for()
    page.locator("input[type=file]").first.set_input_files(str(other))
    page.get_by_role("alert").get_by_text("stop it first").wait_for()
    page.get_by_role("button", name="Stop").click()
    assert "Cairo" in answered(page, WARMEST)


def test_a_program_can_ask(echo, cities):
    client = connect(echo)
    job = client.submit([given(cities)], WARMEST, 5, api_name="/ask")
    result = job.result(timeout=60)
    assert (result["answer"], result["verified"], result["outcome"]) == ("Cairo", True, "verified")
    assert result["evidence"]["lines"] == ["Cairo"] and result["steps"] == 1
    assert job.outputs()[0]["phase"]  # it streamed


def test_a_program_is_told_what_was_wrong_with_its_file(echo, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(AppError, match="empty.csv is empty"):
        connect(echo).predict([given(empty)], "print(1)", 5, api_name="/ask")


def test_a_shell_can_ask_as_the_readme_says(echo, cities):
    body = next(body for language, body in BLOCKS if language == "sh" and "curl" in body)
    script = body.replace("http://127.0.0.1:7860", echo.url).replace("sales.csv", str(cities))
    script = script.replace("Which region has the highest total revenue?", WARMEST.replace("'", "\\u0027"))
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True)
    assert '"answer": "Cairo"' in done.stdout and '"verified": true' in done.stdout


def test_an_assistant_finds_the_tool_and_asks(echo, cities):
    address = f"data:text/csv;base64,{base64.b64encode(cities.read_bytes()).decode()}"

    async def asked():
        async with (
            streamablehttp_client(f"{echo.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            arguments = {"file": address, "question": WARMEST, "max_steps": 5}
            return tools, await session.call_tool("ask", arguments)

    with ThreadPoolExecutor(1) as thread:  # this one has the browser's event loop
        tools, result = thread.submit(asyncio.run, asked()).result()
    assert [tool.name for tool in tools] == ["ask"]
    assert "Rely on an answer only if" in tools[0].description
    asked_for = tools[0].inputSchema["properties"]
    assert [*asked_for] == ["file", "question", "second_file", "third_file", "max_steps"]
    assert "in plain words" in asked_for["question"]["description"]
    assert not result.isError, result.content
    record = json.loads(result.content[0].text)
    assert (record["answer"], record["verified"]) == ("Cairo", True)


@pytest.mark.parametrize("steps", ["null", "0", "21", "2.5", "NaN", "1e999"])
def test_a_program_is_told_how_many_steps_there_can_be(echo, cities, steps):
    request = f'{{"data": [{json.dumps([uploaded(echo, cities)])}, "print(1)", {steps}]}}'
    assert "max_steps must be a whole number from 1 to 20" in call(echo, request.encode())


def test_a_program_is_told_of_a_fault_too(echo, cities):
    with pytest.raises(AppError, match="Something went wrong inside DataSense"):
        connect(echo).predict([given(cities)], "break", 5, api_name="/ask")


def test_a_program_cannot_name_a_file_of_the_server(echo, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    stolen = {"path": str(secret), "meta": {"_type": "gradio.FileData"}, "orig_name": "secret.csv"}
    request = json.dumps({"data": [[stolen], "print(len(df))", 5]}).encode()
    assert "secret" not in call(echo, request)


def uploaded(server, path):
    """The record of a file that was sent to the server."""
    with path.open("rb") as file:
        response = httpx.post(f"{server.url}/gradio_api/upload", files={"files": file})
    return {"path": response.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": path.name}


def call(server, request):
    """What the plain HTTP interface says to a request for `ask`."""
    address = f"{server.url}/gradio_api/call/ask"
    post = urllib.request.Request(address, request, {"Content-Type": "application/json"})
    with urllib.request.urlopen(post, timeout=30) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as response:
        return response.read().decode()
