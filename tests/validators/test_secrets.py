"""`secrets`: what is named as one, what only looks like one, and how many formats there are."""

from __future__ import annotations

import random
import string

import pytest

from guardrails_lite_validators import secrets
from guardrails_lite_validators._secret_formats import after_literal, apart, around_literal, by_beginning

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def _random(size: int, alphabet: str = ALNUM) -> str:
    draw = random.Random(size * 31 + len(alphabet))
    return "".join(draw.choice(alphabet) for _ in range(size))


KEY, HEX32, WORD = _random(40), _random(32, HEX), "Xk7#mQ2!pl"
SIGNATURE = _random(43) + "%3D"


@pytest.mark.parametrize(
    ("text", "secret", "category"),
    [
        (f"curl -H 'Authorization: Bearer {KEY}' https://x.test", KEY, "SECRET"),
        (f"X-API-Key: {KEY}", KEY, "SECRET"),
        (f"DD_API_KEY={HEX32}", HEX32, "SECRET"),
        (f"OPENAI_KEY = '{KEY}'", KEY, "SECRET"),
        (f"twilio auth token {HEX32}", HEX32, "SECRET"),
        (f"use token {KEY} to log in", KEY, "SECRET"),
        (f"my stripe secret key: {KEY}", KEY, "SECRET"),
        (f"Server=db;User Id=sa;Password={WORD};", WORD, "PASSWORD"),
        (f"<password>{WORD}</password>", WORD, "PASSWORD"),
        (f"the password for the staging server is {WORD}, keep it", WORD, "PASSWORD"),
        (f"machine x.test login bob password {WORD}", WORD, "PASSWORD"),
        (f"the next page access token: {KEY}", KEY, "SECRET"),
        (f"async_token = '{KEY}'", KEY, "SECRET"),
        (f"пароль: {WORD}", WORD, "PASSWORD"),
        (f"密码：{WORD}", WORD, "PASSWORD"),
        (f"İ password: {WORD}", WORD, "PASSWORD"),
        (f"redis://:{KEY}@cache:6379/0", KEY, "URL_CREDENTIALS"),
        (f'{{"auths": {{"x.test": {{"auth": "{KEY}"}}}}}}', KEY, "API_KEY"),
        (f'<add key="SmtpPassword" value="{WORD}" />', WORD, "PASSWORD"),
        (f"<add key='ApiKey' value='{KEY}'/>", KEY, "SECRET"),
        (f"- name: DB_PASSWORD\n  value: {WORD}\n", WORD, "PASSWORD"),
        (f'{{"name": "API_TOKEN", "value": "{KEY}"}}', KEY, "SECRET"),
        (f"https://a.blob.core.windows.net/c/f?sv=2022-11-02&sr=b&sig={SIGNATURE}", SIGNATURE, "API_KEY"),
        (f"CLERK_SECRET_KEY=sk_live_{KEY}", f"sk_live_{KEY}", "API_KEY"),
        (f"clerk: sk_test_{KEY}", f"sk_test_{KEY}", "API_KEY"),
    ],
)
def test_a_value_is_told_by_the_name_it_is_given(text: str, secret: str, category: str) -> None:
    """In headers, settings, markup and sentences, and exactly the value is covered."""
    assert [(f.category, text[slice(*f.span)]) for f in secrets()(text) if f.span] == [(category, secret)]


@pytest.mark.parametrize(
    "text",
    [
        "curl -u ada:kettle42blue https://x.test",
        "curl -s -X POST -u 'ada:kettle42blue' https://x.test",
        "curl -s \\\n  --user ada:kettle42blue https://x.test",
        "curl -uada:kettle42blue x.test",
        "machine x.test login ada password kettle42blue",
        "machine x.test\n  login ada\n  account shop\n  password kettle42blue\n",
        "default login ada password kettle42blue",
        "db.x.test:5432:shop:ada:kettle42blue",
        "# hosts\n*:*:*:ada:kettle42blue\n",
        "mysql -u root -pkettle42blue shop",
        "mariadb-dump -uroot -p'kettle42blue' shop > shop.sql",
        "sshpass -p kettle42blue ssh ada@x.test",
        "docker login -u ada -p kettle42blue x.test",
        "redis-cli -h cache -a kettle42blue",
    ],
)
def test_a_password_is_told_by_its_place_in_a_command_or_a_password_file(text: str) -> None:
    """A plain one, too: no name stands beside it, and exactly the value is covered."""
    found = [(f.category, text[slice(*f.span)]) for f in secrets()(text) if f.span]

    assert found == [("PASSWORD", "kettle42blue")]


@pytest.mark.parametrize(
    "text",
    [
        "password reset instructions were sent",
        "the secret ingredient is butter",
        "token to refresh: see the manual",
        "key: value",
        "the key to success is patience",
        "primary key is user_id_20240101",
        "keyboard: QWERTZ-2024-DE",
        f"commit {_random(40, HEX)}",
        f"sha256:{_random(64, HEX)}",
        "550e8400-e29b-41d4-a716-446655440000",
        "token = process.env.TOKEN_2024",
        "api_key = os.environ['API_KEY_1']",
        f"next_page_token: '{KEY}'",
        f'"nextPageToken": "{KEY}"',
        f'"NextToken": "{KEY}"',
        f'"nextSyncToken": "{KEY}"',
        f"?pageToken={KEY}&limit=20",
        f"the continuation token is {KEY}",
        f"sync-token: {HEX32}",
        "password: ${DB_PASSWORD}",
        "password: <your password>",
        "curl -u username:password https://x.test",
        'curl -u "$USER:$PASS1" https://x.test',
        "curl -u <user>:<password1> https://x.test",
        "curl -s https://x.test | sort -u ada:kettle42",
        "machine x.test login myname password mypassword",
        "use your login page; password Kettle42 applies",
        "hostname:port:database:username:password",
        "localhost:5432:shop:ada:<password1>",
        "main.c:1200:5:warning:unused1",
        "fe80:1234:ab:cd:12ef34",
        "mysql -u root -p shop1",
        "mysql -uroot -p$MYSQL_PASSWORD1",
        "docker run --name mysql -p3306:3306 -d mysql:8",
        "chown -u ada:kettle42 kettle",
        '<add key="SmtpPassword" value="********" />',
        '<add key="SmtpPassword" value="#{Password1}#" />',
        '<add key="aspnet:MaxHttpCollectionKeys" value="2001" />',
        '<add assembly="System.Web, PublicKeyToken=b03f5f7f11d50a3a" />',
        "?sv=2022-11-02&sig=<signature>",
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "CLERK_SECRET_KEY=sk_test_YOUR_SECRET_KEY",
        "password=<your-password-1>",
        "secret: ****************",
        "ssh-rsa AAAAB3NzaC1yc2E" + _random(200),
        "-----BEGIN PUBLIC KEY-----\n" + _random(64) + "\n-----END PUBLIC KEY-----",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    """Prose, references, placeholders, hashes, identifiers and public keys."""
    assert secrets()(text) == []


def test_there_are_more_than_two_hundred_formats() -> None:
    """Named apart, by their vendors."""
    names = {name for formats in by_beginning().values() for name, _ in formats}
    names |= {name for name, _, _ in (*after_literal(), *around_literal(), *apart())}

    assert len(names) > 200
