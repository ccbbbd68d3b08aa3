/**
 * Names and texts that try to be elsewhere, on several lines, or nothing.
 *
 * If `imageName` of `names.ts` returns what was sent: "14 files outside images/" (replacing only
 * slashes or only leading dots keeps them in). Without `oneLine` in `eventText`: "2 lines for one
 * event" and "43 lines do not parse".
 */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Sender } from "../../support/peers/sender.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow } from "../judge.ts";
import type { Row } from "../row.ts";

const LONG = 64 * 1024;

/** Field 0 of texts, as written between the quotes of JSON. */
const NAMES: readonly (string | Uint8Array)[] = [
  "../../escape",
  "../../../../../../tmp/imagehub-escape",
  "/etc/imagehub-escape",
  String.raw`..\\..\\escape`,
  "Front/Door",
  "a/../../../b",
  ".",
  "..",
  "...",
  "........",
  "",
  "   ",
  String.raw`\u0000`,
  String.raw`a\u0000b`,
  String.raw`a\nb`,
  String.raw`a\r\n2026-01-01 00:00:00,000 ~ b`,
  String.raw`a\u2028b\u2029c\u0085d\u000bd\u000ce`,
  String.raw`\u001b[2J`,
  String.raw`\ud800`,
  String.raw`\udc00\ud800x`,
  String.raw`\u202egpj.exe`,
  "-rf",
  "~",
  "$(touch escape)",
  "`touch escape`",
  "%2e%2e%2fescape",
  "imagehub.log",
  ".incoming-1-1-1",
  "ünï çödé",
  "猫".repeat(200),
  "a".repeat(255),
  "a".repeat(LONG),
  "../".repeat(LONG / 3),
  new Uint8Array([0xff, 0xfe, 0x2e, 0x2e, 0x2f]),
  new Uint8Array([0xc0, 0xae, 0xc0, 0xae, 0xc0, 0xaf]),
  new Uint8Array([0x61, 0x00, 0x62]),
  new Uint8Array([0x61, 0x0a, 0x62]),
];

function header(name: string | Uint8Array, rest: string): Uint8Array {
  return Buffer.concat([
    Buffer.from('{"msg": "'),
    Buffer.from(name as string),
    Buffer.from(`${rest}"}`),
  ]);
}

export const names: Row = {
  name: "names",
  cause: "names with ../, NUL, line breaks, 64 KiB, bad UTF-8, dots only",
  mustHold: "nothing outside images/; one log line an event",
  needs: [],
  run: async (run) => {
    using owned = tempDir();
    const undo = atExit(() => owned[Symbol.dispose]());
    const problems: string[] = [];
    // So deep that a path some folders up still ends where it is checked.
    const data = join(owned.path, "a/b/c/data");
    mkdirSync(dirname(data), { recursive: true });
    await using hub = new FaultHub({ program: run.program, data });
    await hub.start();
    await using sender = new Sender(hub.port, { timeoutMs: 5000 });
    await sender.event("Cam|Count|0");
    const log = join(data, "logs/imagehub.log");
    const lines = (): number => readFileSync(log, "utf8").split("\n").length - 1;
    const images = (): number => filesBelow(join(data, "images")).length;
    let [sent, taken] = [0, 0];
    for (const name of NAMES) {
      for (const type of [
        "jpg",
        "Count",
        "Heartbeat",
        "jpg|../../escape",
        String.raw`Door|open\n2026 ~ x`,
      ]) {
        const before = { lines: lines(), images: images() };
        const { reply } = await sender.frames([
          header(name, `|${type}|${sent}`),
          "\xff\xd8payload",
        ]);
        sent += 1;
        if (reply === "OK") taken += 1;
        const shown = JSON.stringify(
          Buffer.from(name as string)
            .toString("latin1")
            .slice(0, 40),
        );
        const what = `name ${shown}, type ${type}, reply ${reply?.slice(0, 60)}: `;
        if (reply === null || !/^(?:OK|ERROR \P{Cc}+)$/u.test(reply))
          problems.push(`${what}not a reply`);
        const kept = reply === "OK" ? 1 : 0;
        const grown = { lines: lines() - before.lines, images: images() - before.images };
        const isImage = type.startsWith("jpg");
        const isEvent = type === "Count" || type.startsWith("Door");
        if (grown.images !== (isImage ? kept : 0)) problems.push(`${what}${grown.images} images`);
        if (grown.lines !== (isEvent ? kept : 0))
          problems.push(`${what}${grown.lines} lines for one event`);
      }
    }
    const outside = filesBelow(owned.path).filter(
      (path) =>
        path !== log &&
        !/^\.imagehub\.lock$/.test(basename(path)) &&
        !/^\.imagehub\/nodes\.json(?:\.new)?$/.test(path.slice(data.length + 1)) &&
        !/^images\/\d{4}-\d\d-\d\d\/[^/.][^/]*\.jpg$/u.test(path.slice(data.length + 1)),
    );
    const elsewhere = ["/tmp/imagehub-escape", "/etc/imagehub-escape"].filter((path) =>
      existsSync(path),
    );
    const escapes = [...outside, ...elsewhere];
    if (escapes.length > 0)
      problems.push(`${escapes.length} files outside images/, as ${escapes[0]}`);
    const form = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ~ \P{Cc}*$/u;
    const bad = readFileSync(log, "utf8")
      .split("\n")
      .slice(0, -1)
      .filter((line) => !form.test(line));
    if (bad.length > 0)
      problems.push(`${bad.length} lines do not parse, as ${JSON.stringify(bad[0])}`);
    if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
    undo();
    return { figure: `${sent} requests, ${taken} taken: ${escapes.length} escapes`, problems };
  },
};
