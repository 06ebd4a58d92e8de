// The built-in pages: sign up with a one-time link, sign in, settings, invitations.
// Everything goes through the public API; nothing here is trusted by the server.
'use strict';

const at = (id) => document.getElementById(id);
const texts = Object.fromEntries([...at('texts').children].map((e) => [e.dataset.key, e.textContent]));
const say = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

// The one-time token stands in the fragment; it leaves the address bar and the history at once.
const oneTime = decodeURIComponent(location.hash.slice(1));
if (oneTime) history.replaceState(null, '', location.pathname);

// Browsers get a cookie that scripts cannot read, but for plain HTTP from another machine. There the token lives as
// long as the page.
let token = '';

class Refused extends Error {
  constructor(status, body) {
    super(body.message || String(status));
    this.code = body.code;
    this.reason = body.details?.find((d) => d.type === 'muster.v1.Error')?.debug?.reason ?? '';
  }
}

async function call(service, method, message = {}) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(`/muster.v1.${service}/${method}`, { method: 'POST', headers, body: JSON.stringify(message) });
  } catch {
    throw new Error(say('no_answer'));
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

function note(text, bad = false) {
  const box = at('note');
  box.textContent = text;
  box.classList.toggle('bad', bad);
  box.hidden = !text;
}

function explain(error) {
  if (!(error instanceof Refused)) return note(error.message, true);
  const known = `error_${error.reason}`;
  note(known in texts ? say(known) : say('error', { message: error.message }), true);
}

// busy runs one act of a person at a time and tells how it went.
async function busy(button, act) {
  button.disabled = true;
  note('');
  try {
    await act();
  } catch (error) {
    explain(error);
    if (error.code === 'unauthenticated' && error.reason !== 'wrong_credentials') signedOut();
  } finally {
    button.disabled = false;
  }
}

function onSubmit(id, act) {
  at(id).addEventListener('submit', (event) => {
    event.preventDefault();
    const form = event.target;
    busy(form.querySelector('button'), () => act(Object.fromEntries(new FormData(form)), form));
  });
}

function show(id) {
  for (const section of ['sign-in', 'sign-up', 'home']) at(section).hidden = section !== id;
  if (id !== 'home') at(id).querySelector('label:not([hidden]) input').focus();
}

function signedOut() {
  token = '';
  show('sign-in');
}

async function signedIn(answer) {
  history.replaceState(null, '', '/');
  await home();
  // Is the session kept without the token?
  token = '';
  try {
    await call('AccountService', 'GetAccount');
  } catch {
    token = answer.token;
    note(say('not_kept'));
  }
}

async function home() {
  const { account } = await call('AccountService', 'GetAccount');
  at('who').textContent = say('signed_in_as', { name: account.name });
  const form = at('settings-form');
  form.elements.nickname.value = account.nickname;
  form.elements.direct_add.value = account.directAdd;
  show('home');
  at('invitations').replaceChildren();
  await invitations('');
}

async function invitations(page) {
  const answer = await call('EnrolmentService', 'ListMyInvitations', { pageToken: page, pageSize: 20 });
  for (const invitation of answer.invitations ?? []) at('invitations').append(item(invitation));
  at('no-invitations').hidden = at('invitations').children.length > 0;
  at('more').hidden = !answer.nextPageToken;
  at('more').onclick = () => busy(at('more'), () => invitations(answer.nextPageToken));
}

// item makes the entry of one invitation; all of it goes in as text.
function item(invitation) {
  const entry = at('invitation').content.cloneNode(true).firstElementChild;
  const values = { group: invitation.groupName, channel: invitation.channelName, person: invitation.inviterNickname };
  const put = (name, text) => { entry.querySelector(`[data-is=${name}]`).textContent = text; };
  put('join', say('join', values));
  put('text', invitation.text ?? '');
  put('about', [
    say(invitation.channelId ? 'from_channel' : 'from', values),
    say('members', { count: invitation.groupMemberCount ?? 0 }),
    say('until', { time: new Date(Number(invitation.expiresMs)).toLocaleString(document.documentElement.lang) }),
  ].join(' · '));
  for (const button of entry.querySelectorAll('button')) {
    const choice = Number(button.dataset.choice);
    if (choice === 3 && !invitation.channelId) button.hidden = true;
    button.addEventListener('click', () => {
      if (choice === 3 && !confirm(say('decline_leave_sure', values))) return;
      busy(button, async () => {
        await call('EnrolmentService', 'AnswerInvitation', { invitationId: invitation.id, choice });
        entry.remove();
        at('no-invitations').hidden = at('invitations').children.length > 0;
        note(say(`answered_${choice}`, values));
      });
    });
  }
  return entry;
}

onSubmit('sign-in-form', async (fields, form) => {
  const answer = await call('AccountService', 'Login', { ...fields, device: 'web' });
  token = answer.token;
  form.reset();
  await signedIn(answer);
});

onSubmit('sign-up-form', async (fields, form) => {
  const answer = await call('AccountService', 'Register', {
    ...fields, setupToken: oneTime, language: document.documentElement.lang, device: 'web',
  });
  token = answer.token;
  form.reset();
  await signedIn(answer);
});

onSubmit('settings-form', async (fields) => {
  await call('AccountService', 'UpdateProfile', { nickname: fields.nickname, directAdd: fields.direct_add });
  note(say('saved'));
});

at('sign-out').addEventListener('click', () => busy(at('sign-out'), async () => {
  await call('AccountService', 'Logout');
  signedOut();
}));

function signUp() {
  const kind = oneTime.startsWith('msc_') ? 'sign_up_claim' : oneTime ? 'sign_up_owner' : '';
  if (kind) {
    at('sign-up-title').textContent = at('sign-up-button').textContent = say(kind);
    at('sign-up-lead').textContent = say(`${kind}_lead`);
    at('sign-up-lead').hidden = false;
  }
  if (kind === 'sign_up_claim') {
    at('sign-up-name').hidden = true;
    at('sign-up-form').elements.name.required = false;
  }
  show('sign-up');
}

if (location.pathname === '/setup') signUp();
else home().catch((error) => (error.code === 'unauthenticated' ? signedOut() : explain(error)));
