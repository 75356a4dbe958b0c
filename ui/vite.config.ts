import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  // The shell's `devUrl` names this port, so another one would show an empty window.
  // The made-up shell reads the real catalogue, which lies outside.
  server: { port: 5173, strictPort: true, fs: { allow: [".", "../assets/models"] } },
  build: {
    // The oldest webviews Tauri 2 meets that know `light-dark()`: WebKit 17.5, Chromium 123.
    target: ["es2022", "safari17.5", "chrome123"],
    assetsInlineLimit: 0,
  },
  // A busy machine is slow, not wrong: only what hangs is to end.
  test: { environment: "node", include: ["src/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
});
