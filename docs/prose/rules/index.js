"use strict";
// The rules, and how strict each is. A warning is shown and does not fail.

const sentences = require("./sentences");

module.exports = {
    rules: {
        words: require("./words"),
        numbers: require("./numbers"),
        "long-sentences": sentences,
        "endless-sentences": sentences,
    },
    rulesConfig: {
        words: true,
        numbers: true,
        "long-sentences": { max: 30, severity: "warning" },
        "endless-sentences": { max: 50 },
    },
};
