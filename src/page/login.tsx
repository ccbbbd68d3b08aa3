/**
 * The form that asks for the token.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, request } from "./api.ts";
import { askDays, noteFailure } from "./hub.ts";

const TOO_MANY = "Too many wrong tokens.";

/** How often the seconds are counted. Once a second would show some for longer than others. */
const COUNT_MS = 100;

/** Asks for the token, and goes on where the page was. */
export function Login() {
  const problem = useSignal("");
  const busy = useSignal(false);
  /** When the hub looks at a token again, by `performance.now()`. */
  const until = useSignal(0);
  const waitS = useSignal(0);
  useEffect(() => {
    const count = (): void => {
      waitS.value = Math.max(0, Math.ceil((until.value - performance.now()) / 1000));
    };
    count();
    const timer = setInterval(count, COUNT_MS);
    return () => clearInterval(timer);
  }, [until.value]);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const token = new FormData(form).get("token") as string;
    busy.value = true;
    try {
      await request("login", { method: "POST", body: new URLSearchParams({ token }) });
      await askDays();
    } catch (error) {
      problem.value = explained(error);
      if (error instanceof ApiError) {
        until.value = performance.now() + error.retryAfter * 1000;
        // It is counted only after this was shown.
        waitS.value = Math.ceil(error.retryAfter);
      }
      form.querySelector("input")?.select();
    } finally {
      busy.value = false;
    }
  }
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)} method="post" action="login">
        <h1>imagehub</h1>
        <p>The images are shown to those who know the token.</p>
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          ref={focusOnce}
          aria-describedby="login-problem"
        />
        <p id="login-problem" class="problem" role="alert">
          {problem}
        </p>
        {problem.value === TOO_MANY && (
          <p class="problem">
            {waitS.value > 0 ? `Try again in ${waitS.value} s.` : "You may try again now."}
          </p>
        )}
        <button class="primary" disabled={busy.value || waitS.value > 0}>
          Show the images
        </button>
        <p class="hint">
          Ask whoever runs the hub. On its machine, the token is in the file that{" "}
          <code>http.token_file</code> in the settings names.
        </p>
      </form>
    </main>
  );
}

function focusOnce(input: HTMLInputElement | null): void {
  if (input !== null && document.activeElement === document.body) input.focus();
}

function explained(error: unknown): string {
  if (!(error instanceof ApiError)) {
    noteFailure(error);
    return "The hub does not answer. Try again in a moment.";
  }
  if (error.status === 401) return "This is not the token.";
  return error.status === 429 ? TOO_MANY : error.message;
}
