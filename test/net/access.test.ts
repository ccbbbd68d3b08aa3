import { describe, expect, test } from "bun:test";
import { AddressList, type Network, parseNetwork } from "../../src/net/access.ts";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";

describe("parseNetwork", () => {
  test.each<[text: string, address: string, prefix: number, family: Network["family"]]>([
    ["192.168.86.41", "192.168.86.41", 32, "ipv4"],
    ["192.168.86.0/24", "192.168.86.0", 24, "ipv4"],
    ["0.0.0.0/0", "0.0.0.0", 0, "ipv4"],
    ["::1", "::1", 128, "ipv6"],
    ["fd00::/8", "fd00::", 8, "ipv6"],
    ["::/0", "::", 0, "ipv6"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1", 128, "ipv6"],
    ["fe80::1%eth0", "fe80::1%eth0", 128, "ipv6"],
  ])("takes %s", (text, address, prefix, family) => {
    expect(parseNetwork(text)).toEqual({ address, prefix, family });
  });

  test.each([
    ["nothing", ""],
    ["a name", "localhost"],
    ["too few numbers", "10.0.0"],
    ["a number above 255", "10.0.0.256"],
    ["a number with a zero before it, which some read as octal", "010.0.0.1"],
    ["a prefix of IPv4 above 32", "10.0.0.0/33"],
    ["a prefix of IPv6 above 128", "fd00::/129"],
    ["a prefix below 0", "10.0.0.0/-1"],
    ["an empty prefix", "10.0.0.0/"],
    ["two prefixes", "10.0.0.0/8/8"],
    ["a prefix alone", "/24"],
    ["a netmask", "10.0.0.0/255.0.0.0"],
    ["a space before it", " 10.0.0.1"],
    ["a line break behind it", "10.0.0.1\n"],
    ["brackets", "[::1]"],
    ["a port", "10.0.0.1:5555"],
    ["a range", "10.0.0.1-10.0.0.9"],
  ])("takes no %s", (_, text) => {
    expect(parseNetwork(text)).toBeUndefined();
    expect(() => new AddressList([text])).toThrow(RangeError);
  });
});

describe("AddressList", () => {
  test.each<[entries: string[], allowed: string[], refused: string[]]>([
    [[], ["192.168.86.41", "::1", "fe80::1%eth0"], []],
    [
      ["192.168.86.41"],
      ["192.168.86.41", "::ffff:192.168.86.41"],
      ["192.168.86.42", "192.168.86.4", "::1"],
    ],
    [["192.168.86.0/24"], ["192.168.86.0", "192.168.86.255"], ["192.168.87.0", "192.168.85.255"]],
    // The bits after the prefix do not count.
    [["192.168.86.41/24"], ["192.168.86.7"], ["192.168.87.41"]],
    [["10.0.0.0/9"], ["10.127.255.255"], ["10.128.0.0"]],
    [["10.0.0.4/31"], ["10.0.0.4", "10.0.0.5"], ["10.0.0.3", "10.0.0.6"]],
    [["0.0.0.0/0"], ["1.2.3.4", "255.255.255.255"], ["::1", "fd00::1"]],
    [["fd00::/8"], ["fd00::1", "fdff:ffff::1", "FD12::1"], ["fe00::1", "fc00::1", "10.0.0.1"]],
    [["2001:db8::/33"], ["2001:db8:7fff::1"], ["2001:db8:8000::1"]],
    [["::1"], ["::1", "0:0:0:0:0:0:0:1"], ["::2", "127.0.0.1"]],
    [["fe80::/10"], ["fe80::1", "fe80::1%eth0", "febf::1%wlan0"], ["fec0::1%eth0"]],
    // On any interface: its name is known only to the machine itself.
    [["fe80::1%eth0"], ["fe80::1", "fe80::1%eth0"], ["fe80::2%eth0"]],
    [["::ffff:10.0.0.0/104"], ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::1"]],
    [
      ["10.0.0.7", "192.168.0.0/16", "fd00::/8"],
      ["10.0.0.7", "192.168.1.1", "fd00::2"],
      ["10.0.0.8", "::1"],
    ],
    [["10.0.0.7"], [], ["", "%eth0", "nonsense", "10.0.0.7 ", "10.0.0.7:5555", "010.0.0.7"]],
  ])("of %j allows %j and not %j", (entries, allowed, refused) => {
    const list = new AddressList(entries);
    expect(allowed.filter((address) => !list.allows(address))).toEqual([]);
    expect(refused.filter((address) => list.allows(address))).toEqual([]);
  });
});

test.each<[value: string, shown: string]>([
  ["10.0.0.0/33", '"10.0.0.0/33"'],
  ["10.0.0.1, camera1", '"10.0.0.1, camera1"'],
])("the setting allow is refused as %s", async (value, shown) => {
  using home = tempDir();
  const result = await runCli(["check"], { home: home.path, env: { IMAGEHUB_ALLOW: value } });
  expect(result).toMatchObject({
    status: EXIT.config,
    stderr: `IMAGEHUB_ALLOW is ${shown}, must be a list of IP addresses and networks in CIDR notation\n`,
  });
});
