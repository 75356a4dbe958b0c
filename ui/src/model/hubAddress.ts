// Whether a text is the address of a hub, by the rules that the shell has too: told while it is being typed.

export type AddressFault = "scheme" | "server" | "user" | "query" | "form";

/** What is wrong with it; null when nothing is, or when it is empty, which means the default. */
export function faultOf(address: string): AddressFault | null {
  const text = address.trim().replace(/\/+$/u, "");
  if (address.trim() === "") return null;
  if (!/^https?:/iu.test(text)) return "scheme";
  if (/^https?:\/*$/iu.test(text)) return "server";
  if (/\s/u.test(text) || !/^https?:\/\/[^/]/iu.test(text)) return "form";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "form";
  }
  if (url.username !== "" || url.password !== "" || /^[^/]*\/\/[^/]*@/u.test(text)) return "user";
  if (/[?#]/u.test(text)) return "query";
  return null;
}
