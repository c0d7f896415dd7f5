// Keeps a page fresh without loading it anew, and does what its buttons say without leaving it.
// Every page works without this; what comes from the server is put in as the server escaped it.
"use strict";

(() => {
  const EVERY = 3000;
  const PART = { "X-Part": "live" };
  const main = document.querySelector("main[data-live]");
  const stale = document.getElementById("stale");
  const said = document.getElementById("said");
  let timer = 0;
  let asking = null;

  // --- refresh ---------------------------------------------------------------------------------

  function later(after = EVERY) {
    clearTimeout(timer);
    timer = setTimeout(refresh, after);
  }

  async function refresh() {
    if (!main) return;
    if (document.hidden) return later();
    asking?.abort();
    const mine = (asking = new AbortController());
    const limit = setTimeout(() => mine.abort(), 10000);
    try {
      const answer = await fetch(location.pathname + location.search, {
        headers: PART, signal: mine.signal, cache: "no-store",
      });
      if (answer.status === 401) return loggedOut();
      const text = await answer.text();
      if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
      take(new DOMParser().parseFromString(text, "text/html"), answer.headers.get("Date"));
      stale.hidden = true;
    } catch (error) {
      if (mine === asking) old(error);
    } finally {
      clearTimeout(limit);
      if (mine === asking) later();
    }
  }

  function take(fresh, sentAt) {
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const shown = document.getElementById(part.id);
      if (!shown) continue;
      become(shown, part);
      if (part.dataset.title) document.title = part.dataset.title;
    }
    const drawn = document.querySelector("footer time");
    if (drawn) {
      // The server's clock, as every other time on the page.
      const now = new Date(sentAt ?? Date.now());
      drawn.dateTime = now.toISOString();
      drawn.textContent = now.toISOString().slice(11, 19);
    }
  }

  function old(error) {
    if (!stale.hidden) return;
    const since = document.querySelector("footer time")?.textContent ?? "";
    stale.textContent = `Not live: this is as of ${since} UTC (${error.message}).`;
    stale.hidden = false;
  }

  function loggedOut() {
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Log in again";
    stale.replaceChildren("You are logged out, so that this is not live. ", link);
    stale.hidden = false;
  }

  // --- make a part of the page what it has become, and leave alone what somebody is at ------------

  function become(shown, fresh) {
    if (shown.nodeType !== Node.ELEMENT_NODE) {
      if (shown.nodeValue !== fresh.nodeValue) shown.nodeValue = fresh.nodeValue;
      return;
    }
    if (shown.isEqualNode(fresh) || (shown.matches("[data-keep]") && inUse(shown))) return;
    for (const { name } of [...shown.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && shown.matches("details"))) {
        shown.removeAttribute(name);
      }
    }
    for (const { name, value } of fresh.attributes) {
      if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    }
    if (!shown.matches("textarea")) children(shown, fresh);
  }

  function children(shown, fresh) {
    const wantedIds = new Set([...fresh.children].map((child) => child.id));
    for (const child of [...shown.children]) {
      if (child.id && !wantedIds.has(child.id)) leave(child);
    }
    const known = new Map();
    for (const child of shown.children) if (child.id) known.set(child.id, child);
    let place = shown.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      while (isGone(place) && !wantedIds.has(place.id)) place = place.nextSibling;
      const same = (wanted.id && known.get(wanted.id)) || (alike(place, wanted) ? place : null);
      if (!same) {
        shown.insertBefore(document.importNode(wanted, true), place);
        continue;
      }
      become(same, wanted);
      place = same === place ? place.nextSibling : moved(shown, same, place);
    }
    while (place) {
      const next = place.nextSibling;
      leave(place);
      place = next;
    }
  }

  // What is moved loses the focus, so it is the others that go out of the way of what has it.
  function moved(parent, same, place) {
    if (!same.contains(document.activeElement)) {
      parent.insertBefore(same, place);
      return place;
    }
    if (!place || !(place.compareDocumentPosition(same) & Node.DOCUMENT_POSITION_FOLLOWING)) return place;
    while (place !== same) {
      const next = place.nextSibling;
      parent.append(place);
      place = next;
    }
    return same.nextSibling;
  }

  function isGone(node) {
    return node?.nodeType === Node.ELEMENT_NODE && node.classList.contains("is-gone");
  }

  function alike(shown, wanted) {
    if (!shown || shown.nodeType !== wanted.nodeType || shown.nodeName !== wanted.nodeName) return false;
    return !shown.id && !wanted.id;
  }

  function leave(node) {
    const kept = node.nodeType === Node.ELEMENT_NODE ? [...node.querySelectorAll("[data-keep]")] : [];
    if (!kept.some(inUse)) return node.remove();
    if (isGone(node)) return;
    node.classList.add("is-gone");
    const told = document.createElement("p");
    told.textContent = "No longer in this list. What you write can still be kept.";
    node.append(told);
  }

  function inUse(element) {
    if (element.contains(document.activeElement)) return true;
    return [...element.querySelectorAll("textarea, input[type=search]")].some(
      (field) => field.value !== field.defaultValue,
    );
  }

  // --- deeds -----------------------------------------------------------------------------------

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-deed]")) return;
    event.preventDefault();
    act(form, event.submitter);
  });

  async function act(form, button) {
    const fields = new URLSearchParams(new FormData(form, button));
    const address = button?.hasAttribute("formaction") ? button.formAction : form.action;
    const row = form.closest("li[id], [data-part]");
    if (button) button.disabled = true;
    try {
      const answer = await fetch(address, { method: "POST", headers: PART, body: fields });
      if (answer.status === 401) return loggedOut();
      const { message } = await answer.json();
      say(message);
      if (answer.ok) {
        for (const field of form.querySelectorAll("textarea")) field.value = "";
        form.closest("details")?.removeAttribute("open");
        button?.blur();
      }
    } catch {
      say("Nothing was done: there was no answer. Try again.");
    } finally {
      if (button) button.disabled = false;
    }
    await refresh();
    if (document.activeElement === document.body) {
      (row?.isConnected ? row.querySelector("a, summary, button, textarea") : main)?.focus();
    }
  }

  function say(text) {
    said.textContent = text;
    said.hidden = false;
  }

  // ---------------------------------------------------------------------------------------------

  for (const element of document.querySelectorAll("[data-js]")) element.hidden = false;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  later();
})();
