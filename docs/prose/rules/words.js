"use strict";
// Words that have a shorter or clearer one: each row of words.json is a pattern and what to say.

const fs = require("fs");
const path = require("path");

const file = path.join(__dirname, "words.json");
const rows = JSON.parse(fs.readFileSync(file, "utf8")).map(({ word, say }) => ({
    pattern: new RegExp(`(?<![\\w-])(?:${word})(?![\\w-])`, "gi"),
    say,
}));

module.exports = ({ Syntax, RuleError, report, getSource, locator }) => ({
    // Code is a node of its own, so that names of flags and fields are left alone.
    [Syntax.Str](node) {
        const text = getSource(node);
        for (const { pattern, say } of rows) {
            for (const found of text.matchAll(pattern)) {
                const padding = locator.range([found.index, found.index + found[0].length]);
                report(node, new RuleError(`"${found[0]}": say ${say}`, { padding }));
            }
        }
    },
});
