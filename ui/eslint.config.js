import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["dist/", "node_modules/"] },
  js.configs.recommended,
  ts.configs.strict,
  svelte.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      // One door to the shell: only src/ipc may know Tauri.
      "no-restricted-imports": ["error", { patterns: ["@tauri-apps/*"] }],
      "no-console": "error",
      eqeqeq: "error",
      // Maps and sets here are replaced whole, never changed in place.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  { files: ["src/ipc/**"], rules: { "no-restricted-imports": "off" } },
  { files: ["src/widgets/**"], rules: { "no-restricted-imports": ["error", { patterns: ["@tauri-apps/*", "**/views/**", "**/ipc/**"] }] } },
  { files: ["src/model/**"], rules: { "no-restricted-imports": ["error", { patterns: ["@tauri-apps/*", "svelte", "**/views/**", "**/widgets/**", "**/state/**"] }] } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
);
