/**
 * The settings on who may send, put into force on a socket: by address, and by key.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { readKeyPair, readPublicKeys } from "../zmq/certificate.ts";
import { type Context, type Socket, SocketOption, TextOption } from "../zmq/libzmq.ts";
import { AddressList } from "./access.ts";
import { Authenticator, type Peer, ZAP_DOMAIN } from "./authenticator.ts";

/** Lets in who is allowed. */
export class Gatekeeper implements Disposable {
  /** Asks and answers for libzmq; for a poller. */
  readonly authenticator: Authenticator;
  private readonly addresses: AddressList;
  private keys: Set<string> | undefined;

  /**
   * Guards a socket that is not bound yet.
   *
   * @param onRefused is told of each connection that is refused, and why
   * @returns undefined where the settings let everybody in
   * @throws {Error} where a key cannot be read
   */
  static guard(
    context: Context,
    socket: Socket,
    settings: Settings,
    onRefused: (peer: Peer, reason: string) => void,
  ): Gatekeeper | undefined {
    const { allow, curve } = settings;
    if (allow.length === 0 && curve.server_key === "") return undefined;
    return new Gatekeeper(context, socket, settings, onRefused);
  }

  private constructor(
    context: Context,
    socket: Socket,
    private readonly settings: Settings,
    onRefused: (peer: Peer, reason: string) => void,
  ) {
    const { allow, curve } = settings;
    this.addresses = new AddressList(allow);
    this.reload();
    this.authenticator = new Authenticator(context, (peer) => this.reasonAgainst(peer), onRefused);
    socket.setText(TextOption.zapDomain, ZAP_DOMAIN);
    socket.set(SocketOption.zapEnforceDomain, 1);
    if (curve.server_key !== "") {
      socket.set(SocketOption.curveServer, 1);
      socket.setText(TextOption.curveSecretKey, readKeyPair(curve.server_key).secretKey);
    }
  }

  /**
   * Reads the keys of the clients anew. It counts for connections that are made from now on.
   *
   * @returns how many there are
   * @throws {Error} where one cannot be read; those read before stay in force
   */
  reload(): number {
    const { client_keys: directory } = this.settings.curve;
    if (directory !== "") this.keys = readPublicKeys(directory);
    return this.keys?.size ?? 0;
  }

  private reasonAgainst({ address, key }: Peer): string | undefined {
    if (!this.addresses.allows(address)) return "its address is not in allow";
    if (this.keys === undefined) return undefined;
    if (key === undefined) return "it shows no CURVE key";
    return this.keys.has(key) ? undefined : "its key is not in client_keys";
  }

  [Symbol.dispose](): void {
    this.authenticator[Symbol.dispose]();
  }
}
