import { afterAll, expect, test } from "bun:test";
import { lacks } from "../../scripts/lib/available.ts";
import { machineNames, pageLines } from "../../src/cli/page-address.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const machine = { host: "data1", addresses: ["192.168.86.20", "10.0.0.1"], user: "pi" };

function linesOf(listen: string, certificate = ""): string[] {
  const settings = defaultSettings();
  settings.http = { ...settings.http, listen, tls: { certificate, key: "" } };
  return pageLines(settings, machine);
}

test.each([
  [
    "127.0.0.1:8550",
    [
      "http://127.0.0.1:8550",
      "from another machine: ssh -L 8550:127.0.0.1:8550 pi@data1, then http://localhost:8550",
    ],
  ],
  [
    "[::1]:8551",
    [
      "http://[::1]:8551",
      "from another machine: ssh -L 8551:[::1]:8551 pi@data1, then http://localhost:8551",
    ],
  ],
  ["0.0.0.0:8550", ["http://data1:8550 or http://192.168.86.20:8550"]],
  ["[::]:8550", ["http://data1:8550 or http://192.168.86.20:8550"]],
  ["192.168.86.20:8550", ["http://192.168.86.20:8550"]],
  ["off", []],
])("pageLines says where to open the page of a hub at %s", (listen, lines) => {
  expect(linesOf(listen)).toEqual(lines);
});

test("pageLines leaves out the user if nobody knows who that is", () => {
  const lines = pageLines(defaultSettings(), { ...machine, user: undefined });
  expect(lines[1]).toContain("ssh -L 8550:127.0.0.1:8550 data1, then");
});

test("machineNames knows the user from the environment, or not at all", () => {
  const { SUDO_USER, USER } = process.env;
  try {
    delete process.env["SUDO_USER"];
    delete process.env["USER"];
    expect(machineNames().user).toBeUndefined();
    process.env["USER"] = "pi";
    expect(machineNames().user).toBe("pi");
  } finally {
    Object.assign(process.env, { ...(SUDO_USER && { SUDO_USER }), ...(USER && { USER }) });
    if (USER === undefined) delete process.env["USER"];
  }
});

test.skipIf(lacks("tls"))("pageLines has the name in the certificate, if it can be read", () => {
  const { certificate } = makeCertificate(temp.path, "barn");
  expect(linesOf("0.0.0.0:8550", certificate)).toEqual(["https://barn.example:8550"]);
  expect(linesOf("0.0.0.0:8550", `${certificate}.none`)).toEqual([
    "https://data1:8550 or https://192.168.86.20:8550",
  ]);
});
