"use strict";
// A sentence has at most `max` words. A piece of code and a link's text count as they are read.

const { split } = require("sentence-splitter");
const { StringSource } = require("textlint-util-to-string");

// The splitter takes a number's full stop for its point: "from 0. A value".
const AFTER_A_NUMBER = /(?<=\d[.?!])\s+(?=["“(]?\p{Lu})/u;

const words = (sentence) => sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));

module.exports = ({ Syntax, RuleError, report, locator }, { max }) => ({
    [Syntax.Paragraph](node) {
        const source = new StringSource(node);
        for (const { type, raw, range } of split(source.toString())) {
            const pieces = type === "Sentence" ? raw.split(AFTER_A_NUMBER).map(words) : [];
            for (const piece of pieces.filter((piece) => piece.length > max)) {
                const padding = locator.at(source.originalIndexFromIndex(range[0]) ?? 0);
                const beginning = piece.slice(0, 6).join(" ");
                const text = `${piece.length} words in one sentence (at most ${max}): ${beginning} ...`;
                report(node, new RuleError(text, { padding }));
            }
        }
    },
});
