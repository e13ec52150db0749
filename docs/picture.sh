#!/usr/bin/env bash
# The picture in the README: what the terminal prints and the page of the recorded run. Needs Chromium, and
# Python with Pillow.
#
#   docs/picture.sh target/release
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
built=$(cd "$1" && pwd)
kept=$root/cli/tests/recorded/quickstart
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/run"
cp "$kept/run.json" "$work/run"
for file in "$kept"/*.gz; do gunzip -c "$file" >"$work/run/$(basename "$file" .gz)"; done
"$built/inferbench" report "$work/run" | sed '/^page: /,$d' >"$work/table.txt"

python3 - "$work" <<'PYTHON'
import html
import pathlib
import sys

work = pathlib.Path(sys.argv[1])
table = html.escape((work / "table.txt").read_text().rstrip())
(work / "picture.html").write_text(f"""<!doctype html><meta charset="utf-8">
<style>
body {{ margin: 0; width: 1200px; height: 888px; background: #fff; position: relative; overflow: hidden }}
pre {{ position: absolute; left: 0; top: 0; margin: 0; width: 770px; padding: 14px 18px; font: 12.5px/1.35
      "DejaVu Sans Mono", monospace; color: #e6e6e6; background: #1d2127; border-radius: 8px }}
pre b {{ color: #8fd18f; font-weight: normal }}
div {{ position: absolute; right: 0; bottom: 0; width: 800px; height: 494px; overflow: hidden;
      border: 1px solid #999; border-radius: 8px; background: #fff }}
iframe {{ width: 1176px; height: 726px; border: 0; transform: scale(.68); transform-origin: 0 0 }}
</style>
<pre><b>$ inferbench run configs/quickstart.yaml</b>

{table}</pre>
<div><iframe src="run/report.html" scrolling="no"></iframe></div>
""")
PYTHON
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$work/browser" --hide-scrollbars \
    --allow-file-access-from-files --virtual-time-budget=5000 --window-size=1200,888 \
    --screenshot="$work/picture.png" "file://$work/picture.html" 2>/dev/null
python3 - "$work/picture.png" "$root/docs/src/picture.png" <<'PYTHON'
import sys

from PIL import Image

picture = Image.open(sys.argv[1]).convert("RGB")
picture.quantize(48, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)
PYTHON
echo "docs/src/picture.png: $(stat -c %s "$root/docs/src/picture.png") bytes"
