/**
 * Lines end at 100 columns. Prettier breaks code and prose, and leaves comments and strings as they
 * are: here comments are held to the width, too.
 *
 * @module
 */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../scripts/lib/available.ts";

const COLUMNS_MAX = 100;

/** A comment of TypeScript or C, of Python, YAML or a shell; `#define` of C is none. */
const COMMENT = /^\s*(?:\*|\/\*|\/\/|#(?![a-z]))/u;

const FILES = new Bun.Glob("{src,test,scripts,deploy}/**/*.{ts,c,py,yaml,service,j2}");

test("no comment is wider than 100 columns", () => {
  const wide = [...FILES.scanSync({ cwd: CHECKOUT }), "imagehub.yaml"].flatMap((file) =>
    readFileSync(join(CHECKOUT, file), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        line.length > COLUMNS_MAX && COMMENT.test(line) ? [`${file}:${index + 1}`] : [],
      ),
  );
  expect(wide).toEqual([]);
});
