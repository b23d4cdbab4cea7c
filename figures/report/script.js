"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme"), name = document.getElementById("theme-name");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remember = (value) => { try { localStorage.setItem("attnrepro-theme", value); } catch { /* a page from a file may have no storage */ } };
  const recall = () => { try { return localStorage.getItem("attnrepro-theme"); } catch { return null; } };
  const current = () => root.dataset.theme || (system.matches ? "dark" : "light");
  const show = () => { name.textContent = current(); button.setAttribute("aria-pressed", String(current() === "dark")); };
  const chosen = recall();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    remember(root.dataset.theme);
    show();
  });
  system.addEventListener("change", show);
  // A narrow screen starts at the verdicts, not at a screenful of links.
  if (matchMedia("(max-width: 62rem)").matches) document.getElementById("contents").open = false;
  // A link to a claim inside a closed part opens it; paper has everything open.
  const open = () => { for (let node = document.querySelector(location.hash || "main"); node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true; };
  addEventListener("hashchange", open);
  let closed = [];
  addEventListener("beforeprint", () => { closed = [...document.querySelectorAll("main details:not([open])")]; for (const one of closed) one.open = true; });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
  open();
  show();
  root.dataset.drawn = "1";
})();
