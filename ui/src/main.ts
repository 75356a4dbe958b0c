import { mount } from "svelte";
import App from "./App.svelte";
import "./theme.css";
import "./base.css";
import { pickBackend } from "./ipc/pick";
import Outside from "./Outside.svelte";

// The webview's own menu (Back, Reload…) has no place in an app; text fields and selected text keep theirs.
if (import.meta.env.PROD) {
  window.addEventListener("contextmenu", (event) => {
    const isText = event.target instanceof Element && event.target.closest("input, textarea, .selectable") !== null;
    if (!isText) event.preventDefault();
  });
}

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no #app");

const backend = await pickBackend();
if (backend) mount(App, { target, props: { backend } });
else mount(Outside, { target });
