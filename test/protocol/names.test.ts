import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Calendar } from "../../src/protocol/calendar.ts";
import { IMAGE_NAME_BYTES_MAX } from "../../src/limits.ts";
import { imageFileName, imageName, oneLine } from "../../src/protocol/names.ts";
import { FakeClock, utcMicros } from "../support/machine/fake-clock.ts";
import { tempDir } from "../support/machine/temp.ts";

/** NAME_MAX of Linux. */
const FILE_NAME_BYTES_MAX = 255;
const SIXTY_FOUR_KIB = 65_536;

function fileName(name: string, iso: string): string {
  const calendar = new Calendar(FakeClock.at(iso));
  return imageFileName(name, calendar.local(calendar.now()), calendar.now(), ".jpg");
}

const names: [nodeAndView: string, name: string][] = [
  ["Barn Door", "Barn-Door"],
  ["Barn", "Barn"],
  ["Front Yard Left Camera", "Front-Yard-Left-Camera"],
  ["Barn  Door", "Barn--Door"],
  [" \t Barn Door \n", "Barn-Door"],
  ["Garagen-Tür", "Garagen-Tür"],
  ["車庫 📷", "車庫-📷"],
  ["Front/Door", "Front-Door"],
  ["Front\\Door", "Front-Door"],
  ["/etc/passwd", "_etc-passwd"],
  ["../../x", "__-..-x"],
  ["..", "__"],
  [".", "_"],
  ["...", "___"],
  [".hidden", "_hidden"],
  [".incoming-1-0-0", "_incoming-1-0-0"],
  [" .hidden", "_hidden"],
  ["a..b", "a..b"],
  ["rpi4.local", "rpi4.local"],
  ["/", "_"],
  ["a\u0000b", "a-b"],
  ["\u0000", "_"],
  ["\u0000..", "_.."],
  ["a\nb\r\nc", "a-b--c"],
  ["a\u0085b\u2028c\u2029d", "a-b-c-d"],
  ["a\u001b[31mb\u007f", "a-[31mb-"],
  ["a\ud800b", "a\ufffdb"],
  ["\udc00", "\ufffd"],
  ["-rf", "_rf"],
  ["--help", "_-help"],
  ["- Barn", "_-Barn"],
  ["Barn -x", "Barn--x"],
  // It would be shown as `Barn-gpj.…`.
  ["Barn\u202egpj.", "Barn-gpj."],
  ["\u2066Barn\u2069", "_Barn-"],
  ["\u061ca\u200eb\u200fc\u202ad\u202be\u202cf\u202dg\u2067h\u2068i", "_a-b-c-d-e-f-g-h-i"],
  ["מחסן", "מחסן"],
  ["مرآب", "مرآب"],
  ["क्‍ष", "क्‍ष"],
  ["", "unnamed"],
  ["   ", "unnamed"],
  ["\n\t", "unnamed"],
];
test.each(names)("imageName makes one path component when the node is %j", (nodeAndView, name) => {
  expect(imageName(nodeAndView)).toBe(name);
});

const long: [what: string, nodeAndView: string, name: string][] = [
  ["as long as may be", "x".repeat(IMAGE_NAME_BYTES_MAX), "x".repeat(IMAGE_NAME_BYTES_MAX)],
  ["one byte too long", "x".repeat(IMAGE_NAME_BYTES_MAX + 1), "x".repeat(IMAGE_NAME_BYTES_MAX)],
  ["64 KiB long", "x".repeat(SIXTY_FOUR_KIB), "x".repeat(IMAGE_NAME_BYTES_MAX)],
  ["64 KiB of dots", ".".repeat(SIXTY_FOUR_KIB), "_".repeat(IMAGE_NAME_BYTES_MAX)],
  ["64 KiB of spaces", " ".repeat(SIXTY_FOUR_KIB), "unnamed"],
  ["2 bytes a character", "ü".repeat(200), "ü".repeat(Math.floor(IMAGE_NAME_BYTES_MAX / 2))],
  ["3 bytes a character", "車".repeat(200), "車".repeat(Math.floor(IMAGE_NAME_BYTES_MAX / 3))],
  ["4 bytes a character", "📷".repeat(200), "📷".repeat(Math.floor(IMAGE_NAME_BYTES_MAX / 4))],
  [
    "cut within a pair",
    `x${"📷".repeat(200)}`,
    `x${"📷".repeat(Math.floor((IMAGE_NAME_BYTES_MAX - 1) / 4))}`,
  ],
  [
    "of lone surrogates",
    "\ud83d".repeat(200),
    "\ufffd".repeat(Math.floor(IMAGE_NAME_BYTES_MAX / 3)),
  ],
];
test.each(long)("imageName cuts between characters when the node is %s", (_, nodeAndView, name) => {
  expect(imageName(nodeAndView)).toBe(name);
});

/** Everything that has a meaning in paths, names, lines or UTF-16, and some ordinary text. */
const PIECES = [
  ...Array.from("./\\ -_\0\n\r\u007f\u0085\u2028\ufeff\u00a0\u202eaZü車📷"),
  "\ud83d",
  "\udcf7",
  "..",
  "x".repeat(90),
];

/** Numbers that are the same in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("imageName gives the name of a file in the folder when the node is random", () => {
  using temp = tempDir();
  const random = randomNumbers(20_181_230);
  const made = new Set<string>();
  for (let round = 0; round < 2000; round++) {
    const pieces = Array.from({ length: random(30) }, () => PIECES[random(PIECES.length)]!);
    const name = fileName(imageName(pieces.join("")), "2018-12-30T23:13:31.620992");
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(FILE_NAME_BYTES_MAX);
    expect(name).not.toMatch(/^[-.]|[/\\ \u2028\u2029]|\p{Cc}|\p{Cs}|\p{Bidi_Control}/u);
    writeFileSync(join(temp.path, name), "");
    made.add(name);
  }
  expect(new Set(readdirSync(temp.path))).toEqual(made);
});

test("imageName leaves room for its suffix when the file name is the longest there can be", () => {
  using temp = tempDir();
  const name = fileName(imageName("x".repeat(SIXTY_FOUR_KIB)), "2018-12-30T23:13:31.620992");
  expect(Buffer.byteLength(name)).toBe(FILE_NAME_BYTES_MAX);
  writeFileSync(join(temp.path, name), "");
  expect(readdirSync(temp.path)).toEqual([name]);
});

const fileNames: [iso: string, name: string][] = [
  ["2018-12-30T23:13:31.620992", "Barn-Door-2018-12-30T23.13.31.620992.jpg"],
  ["2026-01-02T03:04:05.000005", "Barn-Door-2026-01-02T03.04.05.000005.jpg"],
  ["2026-01-02T03:04:05.000000", "Barn-Door-2026-01-02T03.04.05.000000.jpg"],
  ["2026-01-02T03:04:05.999999", "Barn-Door-2026-01-02T03.04.05.999999.jpg"],
  ["2026-01-02T00:00:00.100000", "Barn-Door-2026-01-02T00.00.00.100000.jpg"],
];
test.each(fileNames)("imageFileName has six digits of microseconds when it is %s", (iso, name) => {
  expect(fileName("Barn-Door", iso)).toBe(name);
});

test("imageFileName takes the microseconds that it is given when the time is of the same second", () => {
  const calendar = new Calendar(FakeClock.at("2026-01-02T03:04:05.5"));
  const time = calendar.local(calendar.now());
  expect(imageFileName("Barn", time, utcMicros("2026-01-02T03:04:05.000042"), ".png")).toBe(
    "Barn-2026-01-02T03.04.05.000042.png",
  );
});

const lines: [text: string, line: string][] = [
  ["Garage|Temp|76 F", "Garage|Temp|76 F"],
  ["", ""],
  [" two  spaces stay ", " two  spaces stay "],
  ["a\nb", "a b"],
  ["a\r\nb", "a  b"],
  ["a\u0000\t\u000b\u000c\u001b\u007fb", "a      b"],
  ["a\u0085b\u2028c\u2029d", "a b c d"],
  ["a\u001c\u001d\u001eb", "a   b"],
  ["a\ud800b", "a\ufffdb"],
  ["Tür 📷", "Tür 📷"],
  ["\n".repeat(SIXTY_FOUR_KIB), " ".repeat(SIXTY_FOUR_KIB)],
];
test.each(lines)("oneLine stays on its line when the text is %j", (text, line) => {
  expect(oneLine(text)).toBe(line);
});
