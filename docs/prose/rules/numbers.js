"use strict";
// Thousands are grouped by a comma: 10,000. A quote of what the program prints has a narrow space, as there.

const GROUPED_BY_SPACE = /(?<![\w.,])\d{1,3}(?:[  ]\d{3})+(?!\d)/g;
const UNGROUPED = /(?<![\w.,:/#-])\d{5,}(?![\w:/-]|[.,]\d)/g;

module.exports = ({ Syntax, RuleError, report, getSource, locator }) => ({
    [Syntax.Str](node) {
        const text = getSource(node);
        for (const pattern of [GROUPED_BY_SPACE, UNGROUPED]) {
            for (const found of text.matchAll(pattern)) {
                const padding = locator.range([found.index, found.index + found[0].length]);
                const grouped = found[0].replace(/\D/g, "").replace(/\B(?=(\d{3})+$)/g, ",");
                report(node, new RuleError(`${found[0]}: write ${grouped}`, { padding }));
            }
        }
    },
});
