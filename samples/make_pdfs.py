"""Write the two sample PDFs from their texts, byte for byte the same each time.

`python samples/make_pdfs.py` makes `alpenhut/NAME.pdf` of every `pdf_text/NAME.txt`. In a text, `# ` starts the title,
`## ` a heading, `---` a new page; every other line is a paragraph. The PDFs use a standard font that every reader has,
so nothing is embedded and no library is needed.
"""

import textwrap
from pathlib import Path

HERE = Path(__file__).parent
LEFT, TOP = 64, 780  # points on an A4 page of 595 x 842
STYLES = {"# ": ("F2", 17, 56), "## ": ("F2", 13, 70), "": ("F1", 11, 84)}  # prefix: font, size, characters a line


def page_stream(text: str) -> bytes:
    """Return the drawing commands of one page."""
    commands = ["BT", f"{LEFT} {TOP} Td"]
    for line in filter(None, text.splitlines()):
        prefix = next(prefix for prefix in STYLES if line.startswith(prefix))
        font, size, width = STYLES[prefix]
        commands.append(f"/{font} {size} Tf {size * 1.35:.2f} TL")
        for row in textwrap.wrap(line.removeprefix(prefix), width, break_on_hyphens=False):
            escaped = row.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            commands.append(f"({escaped}) Tj T*")
        commands.append("T*")
    return "\n".join([*commands, "ET"]).encode("cp1252")


def write_pdf(text: str) -> bytes:
    """Return a PDF with one page for every part of `text` between lines of `---`."""
    streams = [page_stream(part) for part in text.split("\n---\n")]
    pages = [5 + 2 * number for number in range(len(streams))]
    kids = " ".join(f"{page} 0 R" for page in pages)
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} /MediaBox [0 0 595 842] >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
    ]
    for page, stream in zip(pages, streams, strict=True):
        resources = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /Resources {resources} /Contents {page + 1} 0 R >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))

    file = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    return bytes(file) + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


if __name__ == "__main__":
    for source in sorted((HERE / "pdf_text").glob("*.txt")):
        target = HERE / "alpenhut" / f"{source.stem}.pdf"
        target.write_bytes(write_pdf(source.read_text(encoding="utf-8")))
        print(target.relative_to(HERE.parent))
