/**
 * The address at which a person opens the hub's page.
 *
 * @module
 */

import { hostname, networkInterfaces } from "node:os";
import type { Settings } from "../config/schema.ts";
import { readPublic } from "../http/certificate.ts";
import { isLoopback, OFF, parseListen, urlOf } from "../net/listen-address.ts";

/** What this machine is called. */
export interface MachineNames {
  readonly host: string;
  /** Its addresses that others can reach. */
  readonly addresses: readonly string[];
  /** Who may log in to it; undefined if that is not known. */
  readonly user: string | undefined;
}

/** The names of this machine. */
export function machineNames(): MachineNames {
  return {
    host: hostname(),
    addresses: Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4")
      .map(({ address }) => address),
    // Without USER, the runtime calls everybody "unknown".
    user: process.env["SUDO_USER"] || process.env["USER"] || undefined,
  };
}

/**
 * Says where to open the page of a hub on this machine.
 *
 * @returns the address; if only this machine reaches it, a second line for others. Nothing if its
 * HTTP listener is off
 */
export function pageLines({ http }: Settings, machine: MachineNames): string[] {
  const address = http.listen === OFF ? undefined : parseListen(http.listen);
  if (address === undefined) return [];
  const { host, port } = address;
  const isEncrypted = http.tls.certificate !== "";
  const url = urlOf(address, isEncrypted);
  const at = (name: string): string => `http${isEncrypted ? "s" : ""}://${name}:${port}`;
  if (isLoopback(address)) {
    const { hostname: inside } = new URL(url);
    const { user, host: name } = machine;
    return [
      url,
      `from another machine: ssh -L ${port}:${inside}:${port} ${user === undefined ? name : `${user}@${name}`}, then ${at("localhost")}`,
    ];
  }
  const certified = isEncrypted ? hostIn(http.tls.certificate) : undefined;
  if (certified !== undefined) return [at(certified)];
  if (host !== "0.0.0.0" && host !== "::") return [url];
  return [[machine.host, ...machine.addresses.slice(0, 1)].map(at).join(" or ")];
}

/** The name in a certificate, without which browsers warn. */
function hostIn(certificate: string): string | undefined {
  try {
    return readPublic(certificate).host;
  } catch {
    // The status says so.
    return undefined;
  }
}
