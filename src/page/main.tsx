/**
 * The page: what the hub has stored, live and back in time.
 *
 * @module
 */

import { render } from "preact";
import { App } from "./app.tsx";
import { startLive } from "./live.ts";

startLive();
render(<App />, document.body);
