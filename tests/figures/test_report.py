"""The report: a pure function of committed files, the same twice, up to date, legible in light and dark."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from figures.report import write
from figures.report.content import gather, list_anchors
from figures.report.drawings import list_pictures
from figures.report.markdown import write_markdown
from figures.report.page import embed, write_page
from figures.report.tables import show_table
from figures.style import COLOURS
from reproduce.errors import UserError
from reproduce.recipes.registry import TABLES
from reproduce.recipes.settings import override
from tests.golden.cases import EMPTY, OTHER_DATA, frame, recipes, run

ROOT = Path(__file__).resolve().parents[2]
CSS = (ROOT / "figures" / "report" / "style.css").read_text()


@pytest.fixture(scope="module")
def page(content, pictures):
    return write_page(content, pictures, write._draw(pictures)).decode()


def test_report_md_is_up_to_date():
    """Where this fails the ledger, a published value or a claim has changed: ``make report`` writes it anew."""
    assert write.check_report()["claims"]


def test_the_same_files_give_the_same_bytes(content, pictures, page, tmp_path):
    again = gather()
    redrawn = list_pictures(again)
    assert write_markdown(again, redrawn, "f") == write_markdown(content, pictures, "f")
    drawn = write._draw(redrawn)
    assert write_page(again, redrawn, drawn).decode() == page
    for group in pictures.values():
        for picture in group:
            assert picture.draw(tmp_path).read_bytes() == drawn[picture.name]


def test_nothing_of_this_machine_or_moment_is_in_it(content, pictures, page, monkeypatch, tmp_path):
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    text = write_markdown(content, pictures, "f")
    assert write_markdown(gather(), pictures, "f") == text
    for shown in (text, page):
        assert str(ROOT) not in shown
        assert "/tmp/" not in shown
        assert not re.search(r"20\d\d-\d\d-\d\dT\d\d:", shown)


def test_every_table_study_claim_and_deviation_is_in_both_forms(content, pictures, page):
    text = write_markdown(content, pictures, "f")
    for shown in (text, page):
        for name in TABLES:
            assert f'id="table-{name}"' in shown, name
        for chapter in content.studies:
            assert f'id="study-{chapter.study.name}"' in shown
            for one in chapter.claims.claims:
                assert one.claim.id in shown
        for entry in content.deviations:
            assert entry.number in shown
        for path, digest in content.inputs:
            assert path in shown
            assert digest in shown
        for group in pictures.values():
            for picture in group:
                assert picture.digest in shown
    for chapter in content.studies:
        for shown_table in chapter.tables:
            for _, command in shown_table.commands:
                assert command in text
                assert command in page


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.open, self.foreign = [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        target = given.get("href") or given.get("xlink:href") or ""
        self.targets += [target[1:]] if target.startswith("#") else []
        for name in ("href", "src", "xlink:href"):
            value = given.get(name) or ""
            self.foreign += [value] if value and not value.startswith(("#", "data:")) else []
        if tag not in ("meta", "link", "img", "br", "path", "use", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in ("meta", "link", "img", "br", "path", "use", "rect"):
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in ("path", "use", "rect"):
            return
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_every_link_leads_somewhere(page):
    links = Links()
    links.feed(page)
    assert links.open == []
    assert len(links.ids) == len(set(links.ids)), {one for one in links.ids if links.ids.count(one) > 1}
    assert set(links.targets) <= set(links.ids)
    assert links.foreign == []
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)


def test_the_markdown_contents_lead_somewhere(content, pictures):
    text = write_markdown(content, pictures, "f")
    ids = re.findall(r'<a id="([^"]+)">', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(ids)
    assert list_anchors(content.studies)[0][0] == "glance"


def test_pictures_follow_the_colours_of_the_page_and_keep_their_ids_apart(pictures, tmp_path):
    group = next(group for study, group in pictures.items() if study != "maps" and group)  # drawn here
    text = embed(group[0], group[0].draw(tmp_path).read_bytes(), 7)
    assert text.startswith('<svg role="img" aria-label="')
    assert "var(--ink)" in text
    assert "#23202b" not in text
    assert all(one.startswith("p7-") for one in re.findall(r'\bid="([^"]+)"', text))
    assert not re.search(r'<svg[^>]* (width|height)="', text)
    assert "viewBox" in text


def tokens(block):
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))


def luminance(colour):
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


LIGHT = tokens(CSS[CSS.index(":root {") : CSS.index("@media")])
DARK = tokens(CSS[CSS.index(':root[data-theme="dark"] {') : CSS.index("* { box-sizing")])
SYSTEM_DARK = tokens(CSS[CSS.index("prefers-color-scheme: dark") : CSS.index(':root[data-theme="dark"] {')])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(palette):
    for back in ("paper", "card", "band"):
        for ink in ("ink", "quiet", "link"):
            assert contrast(palette[ink], palette[back]) >= 4.5, (ink, back)
    for word in ("good", "bad", "unsure", "faint"):
        assert contrast(palette[word], palette[f"{word}-back"]) >= 4.5, word
        assert contrast(palette[word], palette["card"]) >= 4.5, word
    for word in ("good", "bad", "unsure"):
        assert contrast(palette[f"bar-{word}"], palette["paper"]) >= 2.2, word  # the count stands beneath in words


def test_data_stand_out_in_the_dark_and_are_the_figures_own_colours_in_the_light():
    for number, colour in enumerate(COLOURS):
        assert LIGHT[f"series-{number}"] == colour
        assert contrast(DARK[f"series-{number}"], DARK["paper"]) >= 3
        assert colour not in CSS[CSS.index("@media") :]


def test_both_ways_to_the_dark_give_the_same_colours():
    assert DARK == SYSTEM_DARK
    assert DARK.keys() == LIGHT.keys() - {"serif", "sans", "mono"}


def test_a_table_shows_its_best_runs_a_form_a_variant(tmp_path):
    paper, smoke = recipes("hierarchical", budget="paper"), recipes("hierarchical")
    as_run = recipes("hierarchical", variant="as-run", budget="short")
    copied = override(paper["vit-ha"], {"data.name": "cifar10-jpeg75"})
    runs = [run(recipe, 0, 0.4) for recipe in smoke.values()]
    runs += [
        run(paper["vit"], 0, 0.84),
        run(copied, 0, 0.88, data_sha256=OTHER_DATA),
    ]
    runs += [run(as_run["vit"], 0, 0.7)]
    shown = {one.table.variant: one for one in show_table(TABLES["hierarchical"], frame(runs, tmp_path))}
    assert {variant: one.table.budget for variant, one in shown.items()} == {"described": "paper", "as-run": "short"}
    rows = {row.row: row for row in shown["described"].table.rows}
    assert rows["vit"].measured["top1"].mean == 0.84
    assert rows["vit-ha"].measured["top1"].mean == 0.88
    assert rows["san-pair"].measured == {}
    assert "committed" in shown["described"].sheet.blocks[0].headings  # smoke runs of other rows stand there
    nothing = show_table(TABLES["hierarchical"], EMPTY)
    assert [row.verdict.word for row in nothing[0].table.rows] == ["not run"] * 8
    assert nothing[0].commands[0] == ("learned-content", "attnrepro train learned-content --budget paper")


def test_only_the_shown_column_stays_where_there_is_nothing_better(tmp_path):
    smoke = recipes("hierarchical")
    runs = frame([run(recipe, 0, 0.4) for recipe in smoke.values()], tmp_path)
    headings = show_table(TABLES["hierarchical"], runs)[0].sheet.blocks[0].headings
    assert "ours" in headings
    assert "committed" not in headings


def test_a_stale_or_missing_report_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "ROOT", tmp_path)
    with pytest.raises(UserError, match="installed package"):
        write.check_report()
    monkeypatch.setattr(write, "_render_root", lambda: (gather(EMPTY), {"maps": []}, "# What holds\n\nnew\n"))
    with pytest.raises(UserError, match=r"no REPORT\.md"):
        write.check_report()
    (tmp_path / "REPORT.md").write_text("# What holds\n\nold\n")
    with pytest.raises(UserError, match="-old") as caught:
        write.check_report()
    assert "make report" in caught.value.hint
    (tmp_path / "REPORT.md").write_text("# What holds\n\nnew\n")
    monkeypatch.setattr(write, "FOLDER", tmp_path / "figures")
    assert write.check_report()["written"] == []
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curves-gone.svg").write_text("<svg/>")
    with pytest.raises(UserError, match="curves-gone"):
        write.check_report()


def test_committed_attention_figures_are_shown_with_their_captions(tmp_path, monkeypatch, content):
    monkeypatch.setattr("figures.report.picture.FOLDER", tmp_path)
    (tmp_path / "maps.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "captions.csv").write_text('file,caption,command\nmaps.png,"Heads, all <nine>",attnrepro figure 3a\n')
    pictures = list_pictures(content)
    assert [picture.name for picture in pictures["maps"]] == ["maps.png"]
    shown = write_page(content, pictures, write._draw(pictures)).decode()
    assert 'src="data:image/png;base64,' in shown
    assert "Heads, all &lt;nine&gt;" in shown
    (tmp_path / "captions.csv").write_text("file\nnothing.png\n")
    with pytest.raises(UserError, match=r"captions\.csv cannot be read"):
        list_pictures(content)


def test_the_report_needs_no_torch():
    code = "import sys; from figures.report.write import _render_root; _render_root(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
