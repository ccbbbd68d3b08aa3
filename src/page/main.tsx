/**
 * The page: what the hub has stored, live and back in time.
 *
 * @module
 */

import { render } from "preact";
import { App } from "./app.tsx";
import { askEarly } from "./day-state.ts";
import { startLive } from "./live.ts";

startLive();
askEarly();
render(<App />, document.body);
