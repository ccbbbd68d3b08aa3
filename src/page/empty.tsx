/**
 * What a hub without images shows.
 *
 * @module
 */

import { CopyButton } from "./copy.tsx";

/** The line that sends a first image. @param port on which the hub receives */
export function Empty({ port }: { readonly port: number }) {
  const line = `imagehub send photo.jpg --node Barn --to tcp://${location.hostname}:${port}`;
  return (
    <section class="empty">
      <h1>No images yet</h1>
      <p>This hub is ready. Send it a first image:</p>
      <p class="command">
        <code>{line}</code>
        <CopyButton text={line} label="Copy" />
      </p>
      <p class="muted">It appears here as soon as it is stored.</p>
    </section>
  );
}
