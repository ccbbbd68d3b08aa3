import { expect, test } from "bun:test";
import { UnlabelledWarnings, WARNED_MAX } from "../../src/receiver/unlabelled.ts";

/** Warnings, and the lines that came of them. */
function newWarnings(): {
  warnings: UnlabelledWarnings;
  lines: [message: string, from: unknown][];
} {
  const lines: [message: string, from: unknown][] = [];
  const warnings = new UnlabelledWarnings((level, message, fields) => {
    expect(level).toBe("warn");
    lines.push([message, fields?.["from"]]);
  });
  return { warnings, lines };
}

test("UnlabelledWarnings warns of each address once, and names the text and the setting", () => {
  const { warnings, lines } = newWarnings();
  for (const address of ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"])
    warnings.warn(address, "rpi-cam");
  expect(lines.map(([, from]) => from)).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(lines[0]![0]).toBe(
    'Messages such as "rpi-cam" are answered OK but not stored: there is no | in the text. ' +
      'Send "rpi-cam|jpg" or "rpi-cam|image", or set unlabelled to store',
  );
});

test("UnlabelledWarnings shows the start of a long text", () => {
  const { warnings, lines } = newWarnings();
  warnings.warn("10.0.0.1", "ü".repeat(100));
  expect(lines[0]![0]).toContain(`"${"ü".repeat(30)}"`);
});

test("UnlabelledWarnings falls silent when very many addresses send so", () => {
  const { warnings, lines } = newWarnings();
  for (let address = 0; address < WARNED_MAX + 50; address++)
    warnings.warn(`10.0.0.${address}`, "x");
  expect(lines).toHaveLength(WARNED_MAX + 1);
  expect(lines.at(-1)![0]).toContain(`${WARNED_MAX} addresses were warned about`);
});
